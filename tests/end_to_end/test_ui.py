import re
import signal
import socket
import urllib.request
from pathlib import Path

from shell import call, start

from lstm_bench.record.files import Results
from lstm_bench.tracking.store import Store


def test_the_ui_serves_the_results_on_this_machine_alone_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    Store(Results(tmp_path / "results"), "adding")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = start(tmp_path, "ui", "--port", str(port))
    assert process.stdout
    line = process.stdout.readline()
    address = re.fullmatch(rf"adding: (http://127.0.0.1:{port}/)(#/experiments/\d+/runs\?workflowType=.*)\n", line)
    assert address, line
    with urllib.request.urlopen(address[1]) as page:
        assert page.status == 200
    taken = call(tmp_path, "ui", "--port", str(port))
    assert taken.returncode == 2
    assert f"port {port}" in taken.stderr
    assert taken.stderr.count("\n") == 1
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
