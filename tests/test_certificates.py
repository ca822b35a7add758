"""deploy/certificates: what Python 3.13 accepts, what is renewed and when, and what is never overwritten."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[1] / "deploy" / "certificates"
CERTIFICATES = {"opensearch/node", "web/web", "admin/admin"}
EC = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")  # made at once
FILES = {"authority/ca-key.pem", "ca/ca.pem"} | {
    f"{name}{end}" for name in CERTIFICATES for end in (".pem", "-key.pem")
}


def openssl(*arguments: str | Path) -> str:
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=True).stdout


def make(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, folder], capture_output=True, text=True, check=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def changed(before: dict[str, bytes], folder: Path) -> set[str]:
    after = contents(folder)
    assert before.keys() <= after.keys()
    return {name for name, data in after.items() if before.get(name) != data}


def pair(name: str) -> set[str]:
    return {f"{name}.pem", f"{name}-key.pem"}


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of finished certificates, which a test may change."""
    return shutil.copytree(made, tmp_path / "certificates")


def self_signed(folder: Path, name: str, *, subject: str, days: int = 3650, extensions: str = "") -> None:
    """Makes a self-signed authority or certificate, such as one of somebody else or of an earlier version."""
    options = ["-addext", extensions] if extensions else []
    openssl("req", "-x509", "-newkey", *EC, "-nodes", "-days", str(days), "-subj", subject, *options,
            "-keyout", folder / f"{name}-key.pem", "-out", folder / f"{name}.pem")  # fmt: skip


def signed(folder: Path, name: str, *, by: Path, key: Path, days: int, subject: str) -> None:
    request = folder / f"{name}.csr"
    openssl("req", "-newkey", *EC, "-nodes", "-subj", subject, "-keyout", folder / f"{name}-key.pem", "-out", request)
    openssl("x509", "-req", "-in", request, "-CA", by, "-CAkey", key, "-set_serial", "7", "-days", str(days),
            "-out", folder / f"{name}.pem")  # fmt: skip
    request.unlink()


def test_certificates_are_made_once_and_their_keys_are_private(folder: Path) -> None:
    before = contents(folder)
    assert before.keys() == FILES
    again = make(folder)
    assert again.returncode == 0, again.stderr
    assert "are good" in again.stdout
    assert changed(before, folder) == set()
    modes = {name: (folder / name).stat().st_mode & 0o777 for name in FILES}
    keys = {name: mode for name, mode in modes.items() if name.endswith("-key.pem")}
    assert keys.pop("web/web-key.pem") == 0o640, "the group of the service and Dashboards reads it, nobody else"
    assert set(keys.values()) == {0o600}
    assert {mode for name, mode in modes.items() if name not in {*keys, "web/web-key.pem"}} == {0o644}


@pytest.mark.parametrize("name", sorted(CERTIFICATES))
def test_certificates_pass_the_strict_check_of_openssl(made: Path, name: str) -> None:
    openssl("verify", "-x509_strict", "-CAfile", made / "ca" / "ca.pem", made / f"{name}.pem")
    told = openssl("x509", "-in", made / f"{name}.pem", "-noout", "-text")
    for extension in ("Subject Key Identifier", "Authority Key Identifier", "Key Usage: critical", "CA:FALSE"):
        assert extension in told
    authority = openssl("x509", "-in", made / "ca" / "ca.pem", "-noout", "-text")
    for extension in (
        "Basic Constraints: critical",
        "Key Usage: critical",
        "Certificate Sign, CRL Sign",
        "Subject Key Id",
    ):
        assert extension in authority


def strict(authority: Path) -> ssl.SSLContext:
    """A TLS context with the checks that are the default from Python 3.13 on."""
    context = ssl.create_default_context(cafile=authority)
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def connect(folder: Path, name: str, host: str) -> None:
    """Makes a TLS connection over a real socket. The server has the certificate; the client trusts the authority."""
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(folder / f"{name}.pem", folder / f"{name}-key.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                with serving.wrap_socket(listener.accept()[0], server_side=True) as accepted:
                    accepted.recv(1)
            except OSError:  # the client refused the certificate, and raises its own error
                pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with (
                socket.create_connection(listener.getsockname(), timeout=30) as plain,
                strict(folder / "ca" / "ca.pem").wrap_socket(plain, server_hostname=host) as connection,
            ):
                connection.sendall(b"x")
        finally:
            thread.join(30)
            assert not thread.is_alive()


@pytest.mark.parametrize(
    ("name", "host"),
    [
        *(("opensearch/node", host) for host in ("localhost", "opensearch", "127.0.0.1")),
        *(("web/web", host) for host in ("localhost", "service", "dashboards", "127.0.0.1")),
    ],
)
def test_a_strict_context_connects(made: Path, name: str, host: str) -> None:
    connect(made, name, host)


def test_a_host_name_that_is_not_in_the_certificate_is_refused(made: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        connect(made, "web/web", "opensearch")


def test_an_authority_without_key_usage_is_renewed_and_all_it_signed(folder: Path) -> None:
    """Earlier versions made such an authority. Python 3.13 and newer refuse it."""
    shutil.rmtree(folder / "authority")
    self_signed(folder / "ca", "ca", subject="/O=conversation-search/CN=authority")
    (folder / "ca" / "ca-key.pem").rename(tmp := folder / "key.pem")
    for name in CERTIFICATES:
        place, _, common = name.partition("/")
        signed(folder / place, common, by=folder / "ca" / "ca.pem", key=tmp, days=730,
               subject=f"/O=conversation-search/CN={common}")  # fmt: skip
    tmp.unlink()
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(folder, "web/web", "localhost")
    done = make(folder)
    assert done.returncode == 0, done.stderr
    assert contents(folder).keys() == FILES
    connect(folder, "opensearch/node", "opensearch")
    connect(folder, "web/web", "service")


@pytest.mark.parametrize("days", [29, 1000])
def test_only_a_certificate_that_expires_soon_is_renewed(folder: Path, days: int) -> None:
    """The authority stays, so clients that trust it need no change."""
    for_web = folder / "web"
    extensions = folder / "extensions"
    extensions.write_text(
        "keyUsage=critical,digitalSignature\nbasicConstraints=critical,CA:FALSE\nauthorityKeyIdentifier=keyid:always\n"
        "subjectKeyIdentifier=hash\n"
        "subjectAltName=DNS:localhost,DNS:dashboards,DNS:service,IP:127.0.0.1\n"
    )
    openssl("req", "-newkey", *EC, "-nodes", "-subj", "/O=conversation-search/CN=web", "-keyout",
            for_web / "web-key.pem", "-out", folder / "csr")  # fmt: skip
    openssl("x509", "-req", "-in", folder / "csr", "-CA", folder / "ca" / "ca.pem", "-CAkey",
            folder / "authority" / "ca-key.pem", "-set_serial", "9", "-days", str(days), "-extfile", extensions,
            "-out", for_web / "web.pem")  # fmt: skip
    before = contents(folder)
    done = make(folder)
    assert done.returncode == 0, done.stderr
    assert changed(before, folder) == (pair("web/web") if days < 30 else set())
    connect(folder, "web/web", "service")


@pytest.mark.parametrize(
    ("lost", "renewed"),
    [
        ("web/web.pem", pair("web/web")),
        ("opensearch/node-key.pem", pair("opensearch/node")),
        ("authority/ca-key.pem", FILES),
        ("ca/ca.pem", FILES),
    ],
)
def test_a_missing_file_is_made_again(folder: Path, lost: str, renewed: set[str]) -> None:
    """An interrupted run may leave such a folder."""
    before = contents(folder)
    (folder / lost).unlink()
    (folder / "authority" / ".making.killed").mkdir()
    (folder / "authority" / ".making.killed" / "ca-key.pem").write_text("half a key")
    done = make(folder)
    assert done.returncode == 0, done.stderr
    assert changed({**before, lost: b""}, folder) == renewed
    assert contents(folder).keys() == FILES
    connect(folder, "opensearch/node", "opensearch")
    connect(folder, "web/web", "service")


@pytest.mark.parametrize("name", ["ca/ca.pem", "web/web.pem"])
def test_a_file_that_is_no_certificate_is_reported_and_kept(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"-----BEGIN CERTIFICATE-----\nhalf")
    before = contents(folder)
    done = make(folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{name} is not a certificate" in done.stderr
    assert contents(folder) == before


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Certificates of another authority, which expire in a few days."""
    folder = tmp_path / "foreign"
    for place in ("ca", "opensearch", "web", "admin"):
        (folder / place).mkdir(parents=True)
    self_signed(folder / "ca", "ca", subject="/O=Somebody/CN=authority")
    (folder / "ca" / "ca-key.pem").rename(tmp_path / "elsewhere.pem")
    for place, name in (("opensearch", "node"), ("web", "web"), ("admin", "admin")):
        signed(folder / place, name, by=folder / "ca" / "ca.pem", key=tmp_path / "elsewhere.pem", days=5,
               subject=f"/O=Somebody/CN={name}")  # fmt: skip
    return folder


def test_certificates_of_another_authority_are_never_overwritten(foreign: Path) -> None:
    before = contents(foreign)
    done = make(foreign)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("renew it") == 3
    assert contents(foreign) == before
    (foreign / "web" / "web-key.pem").unlink()
    done = make(foreign)
    assert done.returncode == 1
    assert "web/web-key.pem" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("lost", ["ca/ca.pem", None])
def test_one_certificate_of_another_authority_is_kept_beside_our_own(
    foreign: Path, folder: Path, lost: str | None
) -> None:
    for name in pair("opensearch/node"):
        shutil.copy(foreign / name, folder / name)
    if lost is not None:
        (folder / lost).unlink()
    before = contents(folder)
    done = make(folder)
    assert done.returncode == 1
    assert "opensearch/node.pem is of another authority" in done.stderr
    assert changed(before, folder) & pair("opensearch/node") == set()
    assert lost is None or not (folder / lost).exists()


def test_files_of_an_earlier_version_are_reported_and_kept(tmp_path: Path) -> None:
    self_signed(tmp_path, "ca", subject="/O=conversation-search/CN=authority")
    before = contents(tmp_path)
    done = make(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "earlier version" in done.stdout
    assert contents(tmp_path).keys() == FILES | before.keys()
    self_signed(tmp_path, "ca", subject="/O=Somebody/CN=authority")
    shutil.rmtree(tmp_path / "ca")
    done = make(tmp_path)
    assert done.returncode == 1
    assert "move it to ca/" in done.stderr
    assert not (tmp_path / "ca").exists()


def test_a_missing_folder_or_openssl_is_reported(tmp_path: Path) -> None:
    done = make(tmp_path / "none")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is not there" in done.stderr
    (tmp_path / "openssl").mkdir()
    lacking = subprocess.run(
        ["/bin/sh", SCRIPT, tmp_path],
        env=os.environ | {"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert lacking.returncode == 1
    assert "openssl is missing" in lacking.stderr


@pytest.mark.parametrize("host", ["search.example.com", "3com.example", "10.0.0.5", "::1"])
def test_the_names_in_certificate_names_are_in_the_web_certificate(
    folder: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(folder)
    monkeypatch.setenv("CERTIFICATE_NAMES", f"other.example.com, {host}")
    assert make(folder).returncode == 0
    assert changed(before, folder) == pair("web/web")
    connect(folder, "web/web", host)
    connect(folder, "web/web", "service")
    before = contents(folder)
    assert make(folder).returncode == 0
    assert changed(before, folder) == set()


def test_the_names_in_node_names_are_in_the_node_certificate(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(folder)
    monkeypatch.setenv("NODE_NAMES", "opensearch-cluster-master.opensearch.svc,10.0.0.5")
    assert make(folder).returncode == 0
    assert changed(before, folder) == pair("opensearch/node")
    for host in ("opensearch-cluster-master.opensearch.svc", "10.0.0.5", "opensearch"):
        connect(folder, "opensearch/node", host)


@pytest.mark.parametrize("variable", ["CERTIFICATE_NAMES", "NODE_NAMES"])
@pytest.mark.parametrize("name", ["1.2.3.999", "::1::2", "5", "*.example.com", "a;b", "$(id)"])
def test_a_malformed_name_is_reported(folder: Path, variable: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(folder)
    monkeypatch.setenv(variable, name)
    done = make(folder)
    assert done.returncode == 1
    assert done.stderr == f"certificates: {variable}: '{name}' is neither a host name nor an address\n"
    assert contents(folder) == before
