"""The worker that one would write first, for comparison: a message at a time, get, upsert, delete.

naive_worker.py CONNECTION_STRING NAME COUNT, where NAME is the queue's and the table's.
"""

import base64
import json
import sys

from azure.data.tables import TableClient
from azure.storage.queue import QueueClient


def main(connection_string, name, count):
    queue = QueueClient.from_connection_string(connection_string, name)
    table = TableClient.from_connection_string(connection_string, name)
    done = 0
    while done < int(count):
        for message in queue.receive_messages(messages_per_page=1, max_messages=1):
            resource = json.loads(base64.b64decode(message.content))["resource"]
            run, pipeline = resource["run"], resource["pipeline"]
            row = {"PartitionKey": str(pipeline["id"]), "RowKey": str(run["id"])}
            table.upsert_entity(row | {"name": run["name"], "state": run["state"]})
            queue.delete_message(message)
            done += 1


main(*sys.argv[1:])
