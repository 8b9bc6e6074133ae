"""Mixed load for long, with kills, faults and readers: what is lost, doubled, wrongly poisoned, and what it costs.

The truth is made here: each run has six events in an order of their own, some come twice, some bodies are rubbish. Whoever
posts acts as Azure DevOps does: what is not answered by 202 is sent again. Programs are killed and stopped; on Azurite the
emulator stands still now and then. In the end the queue is emptied and everything is compared.
"""

import argparse
import base64
import http.client
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
        self.random = random.Random(seed)
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
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=120)


class Soak:
    def __init__(self, asked, folder):
        self.asked, self.folder = asked, folder
        self.load = Load(asked.seed)
        self.ended = threading.Event()
        self.settled = threading.Event()
        self.lock = threading.Lock()
        self.answers, self.refused, self.surprises, self.faults, self.again = [], 0, [], {}, 0
        self.environment = {"PATH": os.environ["PATH"], "RUST_LOG": "warn", "XDG_CACHE_HOME": str(folder / "cache")}
        self.emulator = None
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

    def programs(self):
        self.port, self.reading = free_port(), free_port()
        if self.asked.on == "local":
            self.reading = self.port
            return [Program(self, "up", "up", "--listen", f"127.0.0.1:{self.port}")]
        worker = Program(self, "worker", "work", "--listen", f"127.0.0.1:{self.port}")
        time.sleep(3)
        return [worker, Program(self, "worker2", "work"), Program(self, "reader", "serve", "--listen", f"127.0.0.1:{self.reading}")]

    def run(self):
        self.running = self.programs()
        threads = [threading.Thread(target=self.send), threading.Thread(target=self.trouble), threading.Thread(target=self.watch)]
        threads += [threading.Thread(target=self.read, args=[seed]) for seed in range(self.asked.readers)]
        for thread in threads:
            thread.start()
        threads[0].join()
        self.settled.set()
        threads[1].join()
        # Readers go on while what is left is worked on; then all end.
        time.sleep(5)
        self.ended.set()
        for thread in threads[2:]:
            thread.join()
        for program in self.running:
            program.end()

    def send(self):
        until, every = time.monotonic() + self.asked.minutes * 60, 1 / self.asked.rate
        due = time.monotonic()
        while time.monotonic() < until:
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
        while True:
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
        while bodies:
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

    def command(self, *words):
        return subprocess.run([self.asked.program, *words], env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False)

    def table(self, *words):
        done = self.command(*words, "-o", "json")
        if done.returncode != 0:
            sys.exit(f"{' '.join(words)}: {done.stderr}")
        return json.loads(done.stdout)

    def report(self, began):
        drained = self.command("work", "--until-empty")
        if drained.returncode != 0:
            self.surprises.append(f"the queue could not be emptied: {drained.stderr}")
        runs = self.table("get", "runs", "--top", "0")
        ids = [run["runId"] for run in runs]
        # As the events say, in whatever order they came.
        whole = self.whole(runs)
        letters = self.table("dead-letter", "list")
        found = [text_of(letter) for letter in letters]
        check = self.command("refold", "--check")
        if check.returncode != 0:
            self.surprises.append(f"refold --check: {check.stderr}")
        answers = sorted(self.answers)
        at = lambda share: f"{answers[int(len(answers) * share)] * 1000:.0f} ms" if answers else "none"
        lost = self.load.runs - len(set(ids) & set(range(10_001, 10_001 + self.load.runs)))
        rows = [
            ("date, storage, duration", f"{time.strftime('%F', time.gmtime(began))}, {self.asked.on}, {self.asked.minutes:g} min of events at {self.asked.rate:g}/s at the most"),
            ("events, runs", f"{self.load.sent}, {self.load.runs}"),
            ("faults", ", ".join(f"{count} {kind}" for kind, count in sorted(self.faults.items())) or "none"),
            ("sent again, as the answer was not 202", str(self.again)),
            ("runs lost", str(lost)),
            ("runs doubled", str(len(ids) - len(set(ids)))),
            ("runs that lack something or are wrong", str(len(runs) - whole)),
            ("rubbish that is no dead letter", str(len(self.load.rubbish - set(found)))),
            ("sound events that were poisoned", str(len([text for text in found if text not in self.load.rubbish]))),
            ("records that differ from their facts", "0" if check.returncode == 0 else "see below"),
            ("answers to readers; 50th, 99th, 100th percentile", f"{len(answers)}; {at(0.5)}, {at(0.99)}, {at(0.999999)}"),
            ("readers that found nobody (restarts)", str(self.refused)),
            ("memory at the most", ", ".join(f"{program.name} {program.peak / 1024:.0f} MiB" for program in self.running)),
            ("starts", ", ".join(f"{program.name} {program.starts}" for program in self.running)),
            ("files", f"{size(self.folder) / 2**20:.1f} MiB"),
        ]
        text = "| | |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in rows)
        wrong = lost or len(runs) != whole or self.load.rubbish != set(found) or len(ids) != len(set(ids)) or self.surprises
        return text + "".join(f"\n- {surprise}" for surprise in self.surprises[:20]), bool(wrong)

    def whole(self, runs):
        def is_whole(run):
            stages = {(stage["name"], stage["attempt"], stage["state"]) for stage in run["stages"]}
            return run["state"] == "completed" and run["result"] is not None and ("Test", 2, "completed") in stages

        return sum(map(is_whole, runs))


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
    with tempfile.TemporaryDirectory(prefix="pipetrail-soak-") as folder:
        soak = Soak(asked, pathlib.Path(folder))
        try:
            soak.run()
            text, wrong = soak.report(began)
        finally:
            if soak.emulator:
                os.killpg(soak.emulator.pid, signal.SIGCONT)
                soak.emulator.terminate()
                soak.emulator.wait()
    print(text)
    report = TOP / "target/soak" / f"{asked.on}.md"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(text)
    print(f"\nin {report.relative_to(TOP)}", file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
