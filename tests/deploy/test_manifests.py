"""The files that operators begin with say what Hopsight, systemd and Kubernetes know."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer
import yaml

from hopsight.cli.main import app

DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT = DEPLOY / "hopsight-server@.service"
KUBERNETES = "1.33"


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def server_variables() -> set[str]:
    """The variables that `hopsight server` reads."""
    command = typer.main.get_command(app)
    server = command.get_command(None, "server")  # type: ignore[attr-defined]
    return {name for option in server.params for name in [option.envvar] if name}


@pytest.mark.parametrize("manifest", manifests(), ids=lambda each: each["kind"])
def test_kubernetes_knows_every_field(manifest: dict[str, Any]) -> None:
    """Each object fits its schema; a field that there is not would be an error."""
    kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    spoiled = {**manifest, "spek": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(spoiled, KUBERNETES, strict=True)


def test_a_pod_gets_the_time_that_it_drains() -> None:
    """Kubernetes kills it no sooner than it has drained, finished as long again, and closed."""
    (deployment,) = [each for each in manifests() if each["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    drain = next(each for each in container["env"] if each["name"] == "HOPSIGHT_DRAIN")
    assert pod["terminationGracePeriodSeconds"] > 2 * int(drain["value"]) + 5
    probes = container["livenessProbe"]["httpGet"]["path"], container["readinessProbe"]["httpGet"]["path"]
    assert probes == ("/livez", "/readyz")


@pytest.mark.parametrize("name", ["kubernetes.yaml", "compose.yaml", UNIT.name])
def test_every_setting_named_is_one(name: str) -> None:
    """Whatever HOPSIGHT_ variable a file names, `hopsight server` reads."""
    named = set(re.findall(r"HOPSIGHT_[A-Z_]+", (DEPLOY / name).read_text()))
    assert named
    assert named <= server_variables()


def test_the_compose_file_names_only_what_it_has() -> None:
    """Networks, volumes, configurations and services referred to are there; images have a version."""
    document = compose()
    services = document["services"]
    for service in services.values():
        assert set(service.get("networks", ())) <= set(document["networks"])
        named = {each.partition(":")[0] for each in service.get("volumes", ())}
        assert named <= set(document["volumes"])
        assert {each["source"] for each in service.get("configs", ())} <= set(document["configs"])
        assert set(service.get("depends_on", ())) <= set(services)
        assert re.fullmatch(r"\S+:\S+", service["image"])
    assert (DEPLOY.parent / services["server1"]["build"]["dockerfile"]).is_file()


def commands() -> Iterator[list[str]]:
    """What the files have Hopsight do."""
    for manifest in manifests():
        pod = manifest.get("spec", {}).get("template", {}).get("spec", {})
        yield from (container["args"] for container in pod.get("containers", ()))
    yield compose()["services"]["tables"]["command"]
    unit = next(line for line in UNIT.read_text().splitlines() if line.startswith("ExecStart="))
    yield unit.split()[1:]
    docker = next(line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if line.startswith("CMD"))
    yield re.findall(r'"([^"]+)"', docker)


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_is_one_of_ours(words: list[str]) -> None:
    """Each option that a command names is in the help of that command."""
    plain = [word for word in words if not word.startswith("-")]
    command = plain[:1] if plain[0] == "server" else plain
    shown = subprocess.run(
        [sys.executable, "-m", "hopsight", *command, "--help"], capture_output=True, text=True, check=True
    )
    for word in words:
        if word.startswith("--"):
            assert word in shown.stdout


def test_systemd_knows_every_key(tmp_path: Path, require: Callable[[bool, str], None]) -> None:
    """`systemd-analyze verify` has no word to say about the unit, but that the program is not here."""
    require(shutil.which("systemd-analyze") is not None, "systemd-analyze is not installed")
    path = tmp_path / "hopsight-server@8481.service"
    text = UNIT.read_text().replace("/opt/hopsight/bin/hopsight", sys.executable)
    path.write_text(text.replace("EnvironmentFile=/etc/hopsight/server.env", ""))
    verify = ["systemd-analyze", "verify", "--man=no", str(path)]
    verified = subprocess.run(verify, capture_output=True, text=True, check=False)
    said = [line for line in verified.stderr.splitlines() if path.name in line]
    assert (verified.returncode, said) == (0, []), verified.stderr
    path.write_text(path.read_text().replace("ProtectClock=", "ProtectKlock="))
    verified = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert "ProtectKlock" in verified.stderr
