"""Mixed load for long, with kills, faults and readers: what is lost, doubled, wrongly poisoned, and what it costs.

The truth is made here: each run has six events in an order of their own, some come twice, some bodies are rubbish. Whoever
posts acts as Azure DevOps does: what is not answered by 202 is sent again. Programs are killed and stopped; on Azurite the
emulator stands still now and then. In the end the queue is emptied, a fresh file is fed each sound body once with nobody
in the way, and what both hold and show is compared: record by record, fact by fact, run by run.
"""

import argparse
import base64
import collections
import hashlib
import http.client
import itertools
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

TOP = pathlib.Path(__file__).resolve().parents[2]
TEMPLATES = ["run_in_progress", "stage_running", "job_completed", "stage_completed", "build_completed", "run_completed"]
PIPELINES = 25
# As a share of all bodies.
TWICE, RUBBISH, ENQUEUED = 0.1, 0.005, 0.2
FAULT_EVERY = 20.0
# Bodies that the fresh file is fed at once.
PORTION = 20_000


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/soak", description="A long run under load, kills and faults.")
    parser.add_argument("--minutes", type=float, default=60, help="how long events come (default: 60)")
    parser.add_argument("--on", choices=["local", "azurite"], default="local", help="the storage (default: local)")
    parser.add_argument("--rate", type=float, help="events a second (default: 200, on Azurite 30)")
    parser.add_argument("--readers", type=int, default=4, help="readers at once (default: 4)")
    parser.add_argument("--program", type=pathlib.Path, default=TOP / "target/release/pipetrail", help="another build of it")
    parser.add_argument("--seed", type=int, default=1, help="which load to make up (default: 1)")
    asked = parser.parse_args()
    asked.program = asked.program.resolve()
    asked.rate = asked.rate or {"local": 200, "azurite": 30}[asked.on]
    return asked


class Load:
    """Bodies, and what they amount to."""

    def __init__(self, seed):
        self.seed, self.random = seed, random.Random(seed)
        self.texts = [(TOP / "example-json" / f"{name}.json").read_text() for name in TEMPLATES]
        self.runs = 0
        self.rubbish = set()
        self.sent = 0

    def bodies(self):
        """Of some runs at once, mixed."""
        bodies = []
        for _ in range(4):
            self.runs += 1
            mine = [self.body(number, text) for number, text in enumerate(self.texts)]
            mine += [body for body in mine if self.random.random() < TWICE]
            bodies += mine
            if self.random.random() < RUBBISH * len(mine):
                rubbish = f"rubbish {len(self.rubbish)} {self.random.random()}"
                self.rubbish.add(rubbish)
                bodies.append(rubbish)
        self.random.shuffle(bodies)
        return bodies

    def again(self):
        """The sound bodies, each once, as far as this load has come."""
        load = Load(self.seed)
        while load.runs < self.runs:
            bodies = dict.fromkeys(load.bodies())
            yield from (body for body in bodies if body not in load.rubbish)

    def body(self, number, text):
        run = self.runs
        text = re.sub(r"\b1203\b", str(10_000 + run), text).replace("20250612.4", f"20250612.{run}")
        event = json.loads(text)
        event["id"] = f"00000000-0000-4000-8000-{run:08x}{number:04x}"
        subject = event["resource"]
        for part in (subject, subject.get("run", {})):
            for name in ("pipeline", "definition"):
                if isinstance(part.get(name), dict):
                    part[name]["id"] = run % PIPELINES + 1
        return json.dumps(event)


class Program:
    """A process of the program that is started again whenever it ends."""

    def __init__(self, soak, name, *words):
        self.soak, self.name, self.words = soak, name, words
        self.peak = self.starts = 0
        self.start()

    def start(self):
        log = open(self.soak.folder / f"{self.name}.log", "a")
        self.process = subprocess.Popen([self.soak.asked.program, *self.words], env=self.soak.environment, cwd=self.soak.folder, stderr=log, stdout=log)
        self.starts += 1

    def look(self):
        """Its memory at the most, and whether it is to be started again."""
        try:
            status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
            found = re.search(r"VmHWM:\s+(\d+)", status)
            self.peak = max(self.peak, int(found[1]) if found else 0)
        except OSError:
            pass
        if self.process.poll() is not None and not self.soak.ended.is_set():
            if self.process.returncode not in (-signal.SIGKILL, 0):
                self.soak.surprises.append(f"{self.name} ended with {self.process.returncode}")
                time.sleep(1)
            self.start()

    def hurt(self, how):
        if how == "kill":
            self.process.kill()
            self.process.wait()
        else:
            self.process.send_signal(signal.SIGSTOP)
            time.sleep(5)
            self.process.send_signal(signal.SIGCONT)

    def end(self):
        """As an operator does; that it ends well is part of what is promised."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=120)
        if code != 0:
            self.soak.surprises.append(f"{self.name} ended with {code} when told to stop")


class Soak:
    def __init__(self, asked, folder):
        self.asked, self.folder = asked, folder
        self.load = Load(asked.seed)
        self.ended = threading.Event()
        self.settled = threading.Event()
        self.lock = threading.Lock()
        self.answers, self.refused, self.surprises, self.faults, self.again = [], 0, [], {}, 0
        self.environment = {"PATH": os.environ["PATH"], "RUST_LOG": "warn", "XDG_CACHE_HOME": str(folder / "cache")}
        self.emulator, self.running, self.threads = None, [], []
        if asked.on == "azurite":
            self.start_azurite()

    def start_azurite(self):
        store = self.folder / "azurite"
        store.mkdir()
        ports = [free_port(), free_port()]
        environment = {**os.environ, "AZURITE_QUEUE_PORT": str(ports[0]), "AZURITE_TABLE_PORT": str(ports[1])}
        self.emulator = subprocess.Popen(
            [TOP / "scripts/azurite", store], env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        line = self.emulator.stdout.readline()
        self.environment["AZURE_STORAGE_CONNECTION_STRING"] = line.split("'")[1]
        self.environment["PIPETRAIL_STORAGE"] = "azure"

    def start_programs(self):
        self.port, self.reading = free_port(), free_port()
        if self.asked.on == "local":
            self.reading = self.port
            self.start("up", "up", "--listen", f"127.0.0.1:{self.port}")
            return
        self.start("worker", "work", "--listen", f"127.0.0.1:{self.port}")
        time.sleep(3)
        self.start("worker2", "work")
        self.start("reader", "serve", "--listen", f"127.0.0.1:{self.reading}")

    def start(self, name, *words):
        self.running.append(Program(self, name, *words))

    def beside(self, work, *args):
        """Runs it in a thread; one that broke is a surprise."""

        def guarded():
            try:
                work(*args)
            except Exception as error:
                self.surprises.append(f"{work.__name__} broke: {error!r}")

        self.threads.append(threading.Thread(target=guarded, daemon=True))
        self.threads[-1].start()
        return self.threads[-1]

    def run(self):
        self.start_programs()
        for seed in range(self.asked.readers):
            self.beside(self.read, seed)
        self.beside(self.watch)
        trouble, send = self.beside(self.trouble), self.beside(self.send)
        send.join()
        self.settled.set()
        trouble.join()
        # Readers go on while what is left is worked on; then all end.
        time.sleep(5)
        self.ended.set()
        for thread in self.threads:
            thread.join()
        for program in self.running:
            program.end()

    def close(self):
        """Ends what still runs, however it came to this."""
        self.settled.set()
        self.ended.set()
        for thread in self.threads:
            thread.join(timeout=15)
        for program in self.running:
            program.process.kill()
            program.process.wait()
        if self.emulator:
            os.killpg(self.emulator.pid, signal.SIGCONT)
            self.emulator.terminate()
            self.emulator.wait()

    def send(self):
        until, every = time.monotonic() + self.asked.minutes * 60, 1 / self.asked.rate
        due = time.monotonic()
        while time.monotonic() < until and not self.ended.is_set():
            bodies = self.load.bodies()
            cut = int(len(bodies) * ENQUEUED)
            self.enqueue(bodies[:cut])
            for body in bodies[cut:]:
                self.post(body)
            self.load.sent += len(bodies)
            due = max(due + every * len(bodies), time.monotonic() - 5)
            time.sleep(max(0, due - time.monotonic()))

    def post(self, body):
        """Until it is taken: 503 and no answer mean again, as they do for Azure DevOps."""
        while not self.ended.is_set():
            request = urllib.request.Request(f"http://127.0.0.1:{self.port}/hooks/azure-devops", body.encode())
            try:
                with urllib.request.urlopen(request, timeout=40) as answer:
                    if answer.status == 202:
                        return
                    self.surprises.append(f"a post was answered {answer.status}")
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    self.surprises.append(f"a post was answered {error.code}")
            except (OSError, http.client.HTTPException):
                pass
            self.again += 1
            time.sleep(0.1)

    def enqueue(self, bodies):
        lines = "".join(body + "\n" for body in bodies)
        while bodies and not self.ended.is_set():
            done = subprocess.run([self.asked.program, "enqueue", "-"], input=lines, text=True, env=self.environment, cwd=self.folder, capture_output=True)
            if done.returncode == 0:
                return
            self.again += 1
            time.sleep(0.2)

    def trouble(self):
        chance = random.Random(self.asked.seed)
        while not self.settled.wait(FAULT_EVERY * chance.uniform(0.5, 1.5)):
            kinds = ["kill", "kill", "stop"] + (["outage"] if self.emulator else [])
            kind = chance.choice(kinds)
            if kind == "outage":
                os.killpg(self.emulator.pid, signal.SIGSTOP)
                time.sleep(10)
                os.killpg(self.emulator.pid, signal.SIGCONT)
            else:
                chance.choice(self.running).hurt(kind)
            self.faults[kind] = self.faults.get(kind, 0) + 1

    def watch(self):
        while not self.ended.wait(0.5):
            for program in self.running:
                program.look()

    def read(self, seed):
        chance = random.Random(seed)
        while not self.ended.wait(chance.uniform(0.05, 0.2)):
            run = 10_000 + chance.randint(1, max(1, self.load.runs))
            path = chance.choice(["/api/v1/runs?limit=50", "/api/v1/pipelines", f"/api/v1/runs/{run}", "/", "/api/v1/runs?result=failed"])
            began = time.monotonic()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.reading}{path}", timeout=60) as answer:
                    answer.read()
                    with self.lock:
                        self.answers.append(time.monotonic() - began)
            except urllib.error.HTTPError as error:
                # 404: a run whose events are on their way. 503: said to come again.
                if error.code not in (404, 503):
                    self.surprises.append(f"{path} was answered {error.code}")
            except (OSError, http.client.HTTPException):
                self.refused += 1

    def report(self, began):
        soaked = Kept(self.asked.program, self.folder, self.environment)
        soaked.run("work", "--until-empty")
        files = size(self.folder)
        fresh = self.feed_again()
        difference = Difference(soaked.records(), fresh.records())
        shown = compare(soaked.shown(), fresh.shown())
        found = [text_of(letter) for letter in soaked.table("dead-letter", "list")]
        doubled = len(found) - len(set(found))
        unfaithful = soaked.run("refold", "--check", check=False)
        answers = sorted(self.answers)
        at = lambda share: f"{answers[int(len(answers) * share)] * 1000:.0f} ms" if answers else "none"
        faults = [
            ("records lost", difference.lost),
            ("records doubled, or of no run that was sent", difference.doubled),
            ("facts lost", difference.facts_lost),
            ("facts doubled, or that nobody sent", difference.facts_doubled),
            ("records that say something else", difference.other),
            ("records that differ from their own facts", len(unfaithful.stdout.split())),
            ("runs not shown, or shown otherwise", len(shown)),
            ("rubbish that is no dead letter", len(self.load.rubbish - set(found))),
            ("sound events that were poisoned", len([text for text in found if text not in self.load.rubbish])),
            ("dead letters doubled though sent once", max(0, doubled - self.again)),
        ]
        rows = [
            ("date, storage, duration", f"{time.strftime('%F', time.gmtime(began))}, {self.asked.on}, {self.asked.minutes:g} min of events at {self.asked.rate:g}/s at the most"),
            ("events, runs", f"{self.load.sent}, {self.load.runs}"),
            ("records, facts and runs compared", f"{difference.records}, {difference.facts}, {len(fresh.shown())}"),
            ("faults", ", ".join(f"{count} {kind}" for kind, count in sorted(self.faults.items())) or "none"),
            ("sent again, as the answer was not 202", self.again),
            *faults,
            ("answers to readers; 50th, 99th, 100th percentile", f"{len(answers)}; {at(0.5)}, {at(0.99)}, {at(0.999999)}"),
            ("readers that found nobody (restarts)", self.refused),
            ("memory at the most", ", ".join(f"{program.name} {program.peak / 1024:.0f} MiB" for program in self.running)),
            ("starts", ", ".join(f"{program.name} {program.starts}" for program in self.running)),
            ("files", f"{files / 2**20:.1f} MiB"),
        ]
        text = "| | |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in rows)
        notes = self.surprises[:20] + difference.examples + sorted(shown)[:5]
        wrong = self.surprises or unfaithful.returncode != 0 or any(count for _, count in faults)
        return text + "".join(f"\n- {note}" for note in notes), bool(wrong)

    def feed_again(self):
        """A file that had the same events, each once, and no faults."""
        folder = self.folder / "fresh"
        folder.mkdir()
        fresh = Kept(self.asked.program, folder, {"PATH": os.environ["PATH"], "RUST_LOG": "warn"})
        bodies = self.load.again()
        while portion := "".join(body + "\n" for body in itertools.islice(bodies, PORTION)):
            fresh.run("enqueue", "-", input=portion)
            fresh.run("work", "--until-empty")
        return fresh


class Kept:
    """What a storage holds and shows, asked of the program."""

    def __init__(self, program, folder, environment):
        self.program, self.folder, self.environment = program, folder, environment

    def run(self, *words, check=True, **more):
        done = subprocess.run([self.program, *words], env=self.environment, cwd=self.folder, capture_output=True, text=True, **more)
        if check and done.returncode != 0:
            sys.exit(f"{' '.join(words)}: {done.stderr}")
        return done

    def table(self, *words):
        return json.loads(self.run(*words, "-o", "json").stdout)

    def shown(self):
        runs = self.table("get", "runs", "--top", "0")
        return {f"run {run['runId']} {run['organization']}": run for run in runs}

    def records(self):
        """Each record's key with the digests of its bodies and of its facts. Nothing is left out of them: a fact has what
        Azure DevOps said, and no time of ours."""
        export = self.folder / "export.ndjson"
        self.run("export", export)
        records = collections.defaultdict(lambda: (collections.Counter(), collections.Counter()))
        with export.open() as lines:
            for line in lines:
                line = json.loads(line)
                if "record" in line:
                    bodies, facts = records[line["record"]["key"]]
                    bodies[digest(line["record"]["body"])] += 1
                elif "fact" in line:
                    facts[f"{line['fact']['kind']} {digest(line['fact'])}"] += 1
        export.unlink()
        return records


class Difference:
    """Between what is there and what was to be there."""

    def __init__(self, found, expected):
        self.records, self.facts = len(expected), 0
        self.lost = self.doubled = self.facts_lost = self.facts_doubled = self.other = 0
        self.examples = []
        for key in sorted({*found, *expected}):
            (bodies, facts), (right, sent) = found.get(key, NOTHING), expected.get(key, NOTHING)
            missing, more = sent - facts, facts - sent
            self.facts += sum(sent.values())
            self.lost += not bodies
            self.doubled += max(0, sum(bodies.values()) - sum(right.values()))
            self.facts_lost += sum(missing.values())
            self.facts_doubled += sum(more.values())
            self.other += bool(bodies and right and set(bodies) != set(right))
            if (bodies != right or facts != sent) and len(self.examples) < 10:
                self.examples.append(f"{key}: facts missing {[*missing]}, too many {[*more]}")


NOTHING = (collections.Counter(), collections.Counter())


def digest(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def compare(found, expected):
    """The names under which they differ."""
    return {name for name in {*found, *expected} if found.get(name) != expected.get(name)}


def text_of(letter):
    return letter["body"] if "body" in letter else base64.b64decode(letter["bodyBase64"]).decode(errors="replace")


def size(folder):
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and file.suffix != ".log")


def free_port():
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def main():
    asked, began = arguments(), time.time()
    # As Ctrl-C: what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="pipetrail-soak-") as folder:
        soak = Soak(asked, pathlib.Path(folder))
        try:
            soak.run()
            text, wrong = soak.report(began)
        finally:
            soak.close()
    print(text)
    report = TOP / "target/soak" / f"{asked.on}.md"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(text)
    print(f"\nin {report.relative_to(TOP)}", file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
