#!/bin/sh
# Tells Pipetrail of an event from a CI script; needs nothing but sh and curl.
#
#   PIPETRAIL_URL=https://pipetrail.example PIPETRAIL_EVENTS_TOKEN=... PIPETRAIL_ORGANIZATION=fabrikam \
#     scripts/report.sh REPO EVENT [--metadata JSON|TEXT]
#
# Events: push, deploy, test_pass, test_run, commit, submit, approve, incident_status_change. What metadata may hold:
# `pipetrail report --help`. It tries for a minute while the server cannot be reached; ends with 1 where it was refused.
set -eu

usage() { echo "usage: $0 REPO EVENT [--metadata JSON|TEXT]" >&2; exit 2; }

metadata=
case $# in
  2) ;;
  4) [ "$3" = --metadata ] || usage; metadata=$4 ;;
  *) usage ;;
esac
: "${PIPETRAIL_URL:?the address of the server, such as http://127.0.0.1:8080}"

# A JSON string: quotes and backslashes are escaped, lines are joined, other control characters go.
quoted() {
  { printf '%s' "$1" | tr '\n\t\r' '   ' | tr -d '\000-\037'; echo; } | sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$/"/'
}

organization=
[ -z "${PIPETRAIL_ORGANIZATION-}" ] || organization="?organization=$PIPETRAIL_ORGANIZATION"
body="{\"Repo\": $(quoted "$1"), \"Event\": $(quoted "$2"), \"Metadata\": $(quoted "$metadata")}"

# The token goes in by stdin: arguments can be read by others on the machine.
answer=$(printf 'header = "X-Secret-Token: %s"\n' "${PIPETRAIL_EVENTS_TOKEN-}" |
  curl --silent --show-error --config - --max-time 20 --retry 5 --retry-max-time 60 --retry-connrefused \
    --header 'Content-Type: application/json' --data-binary "$body" --write-out '\n%{http_code}' \
    "$PIPETRAIL_URL/events$organization")
case ${answer##*
} in
  202) ;;
  *) printf 'report.sh: refused: %s\n' "$answer" >&2; exit 1 ;;
esac
