"""Images as operators handle them: archives, URLs, rollback, differences, copies, damage, what is no longer needed."""

import hashlib
import http.server
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import pytest
from lab import wait_for

ROOT = Path(__file__).resolve().parents[2]


def tree_of(directory):
    """{path: SHA-256} of the files below."""
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(directory.rglob("*")) if path.is_file()}


def files_of(node, image):
    """{path: SHA-256} of the image's current version, as the cluster tells it."""
    shown = node.json("image", "show", image)
    current = shown["images"][0]["current_digest"]
    version = next(v for v in shown["image_versions"] if v["digest"] == current)
    return {f["path"]: f["sha256"] for f in version["files"]}


@pytest.fixture
def tree(tmp_path):
    """An installer's directory, small."""
    top = tmp_path / "tree"
    (top / "install.amd" / "deep").mkdir(parents=True)
    (top / "install.amd" / "vmlinuz").write_bytes(os.urandom(300_000))
    (top / "install.amd" / "initrd.gz").write_bytes(os.urandom(700_000))
    (top / "install.amd" / "deep" / "a longer Name.txt").write_text("hello\n")
    (top / "README").write_text("words\n")
    return top


def make_tar(tree, path, mode="w:gz"):
    with tarfile.open(path, mode) as tar:
        for child in sorted(tree.iterdir()):
            tar.add(child, child.name)
    return path


def leftovers(directory):
    return [path.name for path in Path(directory).glob("pxectl-*")]


@pytest.mark.parametrize("kind", ["iso", "tar.gz", "tar.xz"])
def test_archives_become_trees(healthy, tree, tmp_path, kind):
    node = healthy.nodes[0]
    archive = tmp_path / f"installer.{kind}"
    if kind == "iso":
        helper = tmp_path / "make_iso"
        subprocess.run(["cc", "-o", helper, ROOT / "tests" / "lab" / "make_iso.c", "-larchive"], check=True)
        subprocess.run([helper, archive, tree], check=True)
    else:
        make_tar(tree, archive, f"w:{kind.split('.')[1]}")
    node.pxectl("image", "push", "unpacked", archive, timeout=120, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert files_of(node, "unpacked") == tree_of(tree)
    assert leftovers(tmp_path) == []


def test_as_file_pushes_the_archive_itself(healthy, tree, tmp_path):
    node = healthy.nodes[0]
    archive = make_tar(tree, tmp_path / "whole.tar.gz")
    node.pxectl("image", "push", "whole", archive, "--as-file", timeout=120)
    assert files_of(node, "whole") == {"whole.tar.gz": hashlib.sha256(archive.read_bytes()).hexdigest()}


def test_a_cut_archive_pushes_nothing_and_leaves_nothing(healthy, tree, tmp_path):
    node = healthy.nodes[0]
    archive = make_tar(tree, tmp_path / "cut.tar.gz")
    archive.write_bytes(archive.read_bytes()[:200_000])
    done = node.pxectl("image", "push", "cut", archive, check=False, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert done.returncode == 2 and "cut.tar.gz" in done.stderr and "nothing was pushed" in done.stderr, done
    assert node.pxectl("image", "show", "cut", check=False).returncode == 6
    assert leftovers(tmp_path) == []


def test_three_thousand_small_files(healthy, tmp_path):
    """28 s when each file was a request of its own that was waited for."""
    many = tmp_path / "many"
    for i in range(3000):
        folder = many / f"d{i % 40}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{i}").write_bytes(os.urandom(20 + i * 2))
    start = time.monotonic()
    healthy.nodes[0].pxectl("image", "push", "many", many, timeout=300)
    print(f"3000 files pushed to three nodes in {time.monotonic() - start:.1f} s")
    assert len(files_of(healthy.nodes[0], "many")) == 3000
    wait_for("all copies", lambda: all(len(v["holders"]) == 3 for v in healthy.nodes[0].json("image", "show", "many")["image_versions"]), 30)


def test_a_file_that_changes_meanwhile_is_refused(healthy, tmp_path):
    node = healthy.nodes[0]
    busy = tmp_path / "busy"
    busy.mkdir()
    file = busy / "disk.img"
    file.write_bytes(os.urandom(1 << 20) * 200)
    stop = threading.Event()

    def write():
        while not stop.is_set():
            with open(file, "r+b") as out:
                out.write(os.urandom(16))
            time.sleep(0.01)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = node.pxectl("image", "push", "busy", busy, check=False, timeout=120)
    finally:
        stop.set()
        writer.join()
    assert done.returncode == 7 and "was changed while it was" in done.stderr and "disk.img" in done.stderr, done


# ---- URLs


class Server(http.server.ThreadingHTTPServer):
    """One file, with ranges and an ETag; the first `breaks` answers end in the middle."""

    def __init__(self, address, data, breaks=0):
        super().__init__(address, Handler)
        self.data, self.breaks, self.asked = data, breaks, []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        data, etag = self.server.data, f'"{hashlib.sha256(self.server.data).hexdigest()[:16]}"'
        if not self.path.startswith("/image"):
            self.send_error(404)
            return
        begin = 0
        given = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if given and self.headers.get("If-Range") == etag:
            begin = int(given[1])
        self.server.asked.append(begin)
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        if self.server.breaks > 0:
            self.server.breaks -= 1
            self.wfile.write(data[begin:begin + (len(data) - begin) // 2])
            self.wfile.flush()
            self.connection.close()
            self.close_connection = True
        else:
            self.wfile.write(data[begin:])

    def log_message(self, *args):
        pass


SERVE = """
import sys
sys.path.insert(0, {here!r})
from test_image import Server
import time
server = Server(("127.0.0.1", 8099), open({path!r}, "rb").read(), breaks={breaks})
print("up", flush=True)
sys.stdin.read()
print(server.asked, flush=True)
"""


class Web:
    """The server in the node's namespace."""

    def __init__(self, node, path, breaks=0):
        code = SERVE.format(here=str(Path(__file__).parent), path=str(path), breaks=breaks)
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", node.ns, sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "deploy" / "lab")})
        assert self.process.stdout.readline() == "up\n"

    def asked(self):
        out, _ = self.process.communicate(timeout=20)
        return eval(out)  # a list of numbers


@pytest.fixture
def archive(tree, tmp_path):
    return make_tar(tree, tmp_path / "image.tar.gz")


@pytest.fixture
def cache(tmp_path):
    return {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}


def test_an_image_of_a_url_with_a_download_that_breaks_off(healthy, tree, archive, cache, tmp_path):
    node = healthy.nodes[0]
    node.exec("ip", "link", "set", "lo", "up")
    (tmp_path / "cache").mkdir()
    web = Web(node, archive, breaks=2)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    node.pxectl("image", "add", "web", "http://127.0.0.1:8099/image.tar.gz?mirror=1", "--sha256", digest, timeout=120, env=cache)
    asked = web.asked()
    assert asked[0] == 0 and 0 < asked[1] < asked[2], asked
    assert files_of(node, "web") == tree_of(tree)
    assert list((tmp_path / "cache" / "pxectl").iterdir()) == [], "the download is removed once it is pushed"
    node.pxectl("image", "add", "local", f"file://{archive}", "--sha256", digest, timeout=120)
    assert files_of(node, "local") == tree_of(tree) and archive.exists()


def test_a_download_is_continued_by_the_next_run(healthy, tree, archive, cache, tmp_path):
    node = healthy.nodes[0]
    node.exec("ip", "link", "set", "lo", "up")
    (tmp_path / "cache").mkdir()
    web = Web(node, archive, breaks=6)
    done = node.pxectl("image", "add", "later", "http://127.0.0.1:8099/image.tar.gz", check=False, timeout=120, env=cache)
    assert done.returncode == 3, done
    asked = web.asked()
    web = Web(node, archive)
    done = node.pxectl("image", "add", "later", "http://127.0.0.1:8099/image.tar.gz", timeout=120, env=cache)
    assert "going on with" in done.stderr, done
    assert web.asked()[0] > asked[-1] > 0
    assert files_of(node, "later") == tree_of(tree)


def test_urls_that_are_wrong_say_what(healthy, archive, cache, tmp_path):
    node = healthy.nodes[0]
    node.exec("ip", "link", "set", "lo", "up")
    (tmp_path / "cache").mkdir()
    web = Web(node, archive)
    done = node.pxectl("image", "add", "wrong", "http://127.0.0.1:8099/nothing.iso", check=False, env=cache)
    assert done.returncode == 6 and "HTTP 404" in done.stderr, done
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    done = node.pxectl("image", "add", "wrong", "http://127.0.0.1:8099/image.tar.gz", "--sha256", "ab" * 32, check=False, env=cache)
    assert done.returncode == 9 and "ab" * 32 in done.stderr and found in done.stderr, done
    web.asked()
    done = node.pxectl("image", "add", "wrong", "http://127.0.0.1:8098/image.tar.gz", check=False, timeout=120, env=cache)
    assert done.returncode == 3 and "8098" in done.stderr, done
    assert node.pxectl("image", "add", "wrong", "gopher://x/y", check=False).returncode == 2
    assert node.pxectl("image", "show", "wrong", check=False).returncode == 6


# ---- versions


@pytest.fixture
def versions(healthy, tmp_path):
    """Image `os` in three versions; the directories they were pushed from, oldest first."""
    node, made = healthy.nodes[0], []
    for number in range(3):
        directory = tmp_path / f"v{number}"
        directory.mkdir()
        (directory / "vmlinuz").write_bytes(b"kernel %d " % number * 3000)
        (directory / "same").write_text("the same\n")
        (directory / f"only{number}").write_text("mine\n")
        node.pxectl("image", "push", "os", directory, timeout=120)
        made.append(directory)
    return made


def test_tag_rolls_back_and_gives_a_second_name(healthy, versions):
    node = healthy.nodes[0]
    assert files_of(node, "os") == tree_of(versions[2])
    node.pxectl("image", "tag", "os@prev")
    assert files_of(node, "os") == tree_of(versions[1])
    node.pxectl("image", "tag", "os@prev")
    assert files_of(node, "os") == tree_of(versions[2]), "what was current before is the previous one now"
    # pushing what is there already, but not in service, puts it into service
    node.pxectl("image", "push", "os", versions[1], timeout=120)
    assert files_of(node, "os") == tree_of(versions[1])
    node.pxectl("image", "push", "os", versions[2], timeout=120)
    assert files_of(node, "os") == tree_of(versions[2])
    node.pxectl("image", "tag", "os", "os-stable")
    assert files_of(node, "os-stable") == tree_of(versions[2])
    assert node.pxectl("image", "tag", "os@abcdef123456", check=False).returncode == 6
    done = node.pxectl("image", "tag", "os@x", check=False)
    assert done.returncode == 2 and "hexadecimal" in done.stderr
    node.pxectl("image", "remove", "os-stable", "--yes")


def test_diff_tells_files_and_its_exit_code(healthy, versions):
    node = healthy.nodes[0]
    node.pxectl("image", "push", "os", versions[1])
    node.pxectl("image", "push", "os", versions[2])
    done = node.pxectl("image", "diff", "os@prev", "os", check=False)
    assert done.returncode == 1
    lines = [line.split()[:2] for line in done.stdout.splitlines()]
    assert lines == [["-", "only1"], ["+", "only2"], ["~", "vmlinuz"]], done.stdout
    assert node.pxectl("image", "diff", "os", versions[2]).stdout == ""
    done = node.pxectl("image", "diff", "os", versions[0], check=False)
    assert done.returncode == 1 and "+ only0" in done.stdout
    assert node.pxectl("image", "diff", "os", "nobody", check=False).returncode == 6


def test_pull_gives_back_what_was_pushed_whichever_node_is_dead(healthy, versions, tmp_path):
    node = healthy.nodes[0]
    healthy.nodes[1].kill()
    done = node.pxectl("image", "pull", "os", tmp_path / "back", timeout=120)
    assert tree_of(tmp_path / "back") == tree_of(versions[2]), done
    (tmp_path / "back" / "vmlinuz").write_bytes(b"damaged")
    done = node.pxectl("image", "pull", "os", tmp_path / "back", timeout=120)
    assert "1 fetched, 2 there" in done.stdout, done
    assert tree_of(tmp_path / "back") == tree_of(versions[2])
    node.pxectl("image", "pull", "os@prev", tmp_path / "older", timeout=120)
    assert tree_of(tmp_path / "older") == tree_of(versions[1])


def test_gc_removes_what_nothing_names(healthy, versions):
    node = healthy.nodes[0]
    shown = node.json("image", "show", "os")
    pinned = shown["images"][0]["previous_digest"]
    node.pxectl("profile", "add", "pinned", "--image", f"os@{pinned}", "--kernel", "vmlinuz")
    for number in range(4, 6):  # the pinned one becomes neither current nor previous
        (versions[2] / "vmlinuz").write_bytes(b"kernel %d" % number)
        node.pxectl("image", "push", "os", versions[2])
    held = [v["digest"] for v in node.json("image", "show", "os")["image_versions"]]
    assert pinned in held and len(held) == 3, held
    assert "nothing to remove" in node.pxectl("image", "gc", "--dry-run").stderr
    done = node.pxectl("image", "remove", f"os@{pinned}", check=False)
    assert done.returncode != 0 and "pinned" in done.stderr, done
    node.pxectl("profile", "remove", "pinned", "--yes")
    left = [v["digest"] for v in node.json("image", "show", "os")["image_versions"]]
    if pinned in left:
        assert pinned[:12] in node.pxectl("image", "gc", "--dry-run").stdout
        assert node.pxectl("image", "gc", check=False).returncode == 2, "it asks"
        node.pxectl("image", "gc", "--yes")
        left = [v["digest"] for v in node.json("image", "show", "os")["image_versions"]]
    assert pinned not in left and len(left) == 2


# ---- boot programs, and profiles for installers


def test_loaders_of_this_machine_become_images(healthy):
    node = healthy.nodes[0]
    node.pxectl("image", "add-loaders", timeout=300)
    names = {image["name"] for image in node.json("image", "list")["images"]}
    assert {"ipxe", "grub", "shim", "pxelinux", "memtest"} <= names
    assert {"undionly.kpxe", "snponly.efi", "ipxe.efi"} <= set(files_of(node, "ipxe"))
    assert {"shimx64.efi", "grubx64.efi"} <= set(files_of(node, "shim"))
    assert {"pxelinux.0", "lpxelinux.0", "ldlinux.c32", "menu.c32"} <= set(files_of(node, "pxelinux"))
    assert {"memtest.bin", "memtest.efi"} <= set(files_of(node, "memtest"))
    assert files_of(node, "grub")["grubx64.efi"] == hashlib.sha256(
        Path("/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed").read_bytes()).hexdigest()
    assert node.pxectl("image", "add-loaders", "lilo", check=False).returncode == 2


def test_ctrl_c_leaves_nothing_behind(healthy, tree, tmp_path):
    node = healthy.nodes[0]
    (tree / "large").write_bytes(os.urandom(1 << 20) * 400)
    archive = make_tar(tree, tmp_path / "large.tar", "w")
    process = subprocess.Popen(
        ["ip", "netns", "exec", node.ns, str(healthy.bin / "ctl" / "pxectl"), "--dir", str(node.conf), "image", "push", "large", str(archive)],
        env={**os.environ, "TMPDIR": str(tmp_path)}, stderr=subprocess.DEVNULL)
    wait_for("the directory", lambda: leftovers(tmp_path), 20, 0.005)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=20)
    wait_for("its removal", lambda: not leftovers(tmp_path), 20)


DEBIAN = "/usr/lib/debian-installer/images/12/amd64/text"


def test_a_profile_for_the_debian_installer_is_made_of_its_image(healthy):
    node = healthy.nodes[0]
    done = node.pxectl("profile", "add-os", "debian-12", "install", check=False)
    assert done.returncode == 6 and "debian-installer-12-netboot-amd64" in done.stderr, done
    node.pxectl("image", "push", "debian-12", DEBIAN, "--only", "linux", "--only", "initrd.gz", timeout=120)
    done = node.pxectl("profile", "add-os", "fedora", "wrong", "--image", "debian-12", check=False)
    assert done.returncode == 6 and "images/pxeboot/vmlinuz" in done.stderr, done
    assert node.pxectl("profile", "add-os", "plan9", "wrong", check=False).returncode == 2
    node.pxectl("profile", "add-os", "debian-12", "install", "--args", "console=ttyS0", "--var", "disk=/dev/vda", "--var", "mirror=10.77.0.1")
    node.pxectl("host", "add", "victim", "--mac", "52:54:00:77:00:01", "--ip", "10.77.0.60", "--profile", "install")
    script = node.pxectl("boot", "explain", "52:54:00:77:00:01", "--arch", "bios", "--script").stdout
    assert "debian-installer/amd64/linux" in script and "/t/52-54-00-77-00-01/preseed.cfg" in script and "console=ttyS0" in script
    url = f"http://{node.ip}/t/52-54-00-77-00-01/preseed.cfg"
    text = wait_for("the template", lambda: node.exec("curl", "-fsS", url, check=False).stdout, 10)
    assert "partman-auto/disk string /dev/vda" in text and "mirror/http/hostname string 10.77.0.1" in text
    assert "get_hostname string victim" in text and "phone-home/52:54:00:77:00:01?status=ok" in text and "{{" not in text
    done = subprocess.run(["debconf-set-selections", "--checkonly"], input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0 and done.stderr == "", done


def test_verify_finds_a_damaged_file_and_it_is_fetched_anew(healthy, tree):
    node, other = healthy.nodes[0], healthy.nodes[1]
    node.pxectl("image", "push", "sound", tree, timeout=120)
    done = node.pxectl("image", "verify", "sound", timeout=120)
    assert done.stdout.count(" ok") == 3, done
    digest = hashlib.sha256((tree / "install.amd" / "vmlinuz").read_bytes()).hexdigest()
    blob = next(path for path in (other.dir / "data").rglob("*") if path.name == digest)
    mode = blob.stat().st_mode
    blob.chmod(0o600)
    with open(blob, "r+b") as file:
        file.seek(1000)
        file.write(b"damaged")
    blob.chmod(mode)
    done = node.pxectl("image", "verify", "sound", check=False, timeout=120)
    assert done.returncode == 1 and "pxe2" in done.stderr and "install.amd/vmlinuz" in done.stderr, done
    wait_for("the file to be whole again", lambda: node.pxectl("image", "verify", "sound", check=False, timeout=120).returncode == 0, 60, 1)
    assert hashlib.sha256(blob.read_bytes()).hexdigest() == digest
