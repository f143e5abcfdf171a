"""The site file against a living cluster: what diff shows apply does, once; a file of what is there is no difference."""

import re
import time

SITE = """
version: 1
name: site-test
cluster:
  decline: 2h
profiles:
  - name: ask
    script: |
      #!ipxe
      echo {{name}} has {{vars.disk}}
      shell
    vars: {disk: /dev/sda}
groups:
  - name: racks
    match: {mac: ["52:54:00:99:*"]}
    lease: 20m
subnets:
  - name: other
    cidr: 10.78.0.0/24
    gateway: 10.78.0.1
    boot: ask
    pools:
      - range: 10.78.0.100-10.78.0.199
hosts:
  - {name: a1, mac: "52:54:00:99:00:01", ip: 10.78.0.11, groups: [racks]}
  - {name: a2, mac: "52:54:00:99:00:02", ip: 10.78.0.12, boot: {bios: local, default: ask}}
  - {name: a3, mac: "52:54:00:99:00:03", ip: auto}
"""


def write(lab, text, name="site.yaml"):
    path = lab.dir / name
    path.write_text(text)
    return path


def revision(text):
    return int(re.search(r"revision (\d+)", text).group(1))


def test_a_file_is_applied_once_and_what_is_there_is_no_difference(healthy):
    node = healthy.nodes[1]
    path = write(healthy, SITE)
    assert node.pxectl("validate", "-f", path).returncode == 0
    shown = node.pxectl("diff", "-f", path, check=False)
    assert shown.returncode == 1 and "+ host a1" in shown.stdout and "7 added" in shown.stdout, shown
    dry = node.pxectl("apply", "-f", path, "--dry-run")
    assert "+ subnet other" in dry.stdout
    assert node.pxectl("host", "show", "a1", check=False).returncode == 6
    done = node.pxectl("apply", "-f", path)
    assert "7 added, 1 changed, 0 removed" in done.stdout, done
    again = healthy.nodes[2].pxectl("apply", "-f", path)
    assert "0 changes" in again.stdout and revision(again.stdout) == revision(done.stdout), again
    assert node.pxectl("diff", "-f", path).returncode == 0
    assert re.search(r"10\.7[78]\.0\.1\d\d", node.pxectl("host", "show", "a3").stdout)

    exported = write(healthy, node.pxectl("export").stdout, "exported.yaml")
    assert node.pxectl("validate", "-f", exported).returncode == 0
    same = node.pxectl("diff", "-f", exported, check=False)
    assert same.returncode == 0, same


def test_hosts_change_places_and_what_a_file_made_is_pruned(healthy):
    node = healthy.nodes[0]
    path = write(healthy, SITE)
    node.pxectl("apply", "-f", path)
    node.pxectl("host", "add", "byhand", "--mac", "52:54:00:98:00:01")
    swapped = SITE.replace("ip: 10.78.0.11", "ip: 10.78.0.XX").replace("ip: 10.78.0.12", "ip: 10.78.0.11")
    swapped = swapped.replace("10.78.0.XX", "10.78.0.12").replace('  - {name: a3, mac: "52:54:00:99:00:03", ip: auto}\n', "")
    path = write(healthy, swapped)
    shown = node.pxectl("diff", "-f", path, "--prune", check=False)
    assert "~ host a1" in shown.stdout and "ip: 10.78.0.11 -> 10.78.0.12" in shown.stdout, shown
    assert "- host a3" in shown.stdout and "byhand" not in shown.stdout, shown
    refused = node.pxectl("apply", "-f", path, "--prune", check=False)
    assert refused.returncode == 2, refused  # nobody is there to ask
    kept = node.pxectl("apply", "-f", path)
    assert "2 changed, 0 removed" in kept.stdout, kept
    pruned = node.pxectl("apply", "-f", path, "--prune", "--yes")
    assert "0 added, 0 changed, 1 removed" in pruned.stdout, pruned
    assert node.pxectl("host", "show", "a3", check=False).returncode == 6
    assert node.pxectl("host", "show", "byhand").returncode == 0


def test_a_revision_guards_the_whole_and_a_refusal_names_the_line(healthy):
    node = healthy.nodes[0]
    path = write(healthy, """version: 1
subnets:
  - {name: guarded, cidr: 10.79.0.0/24}
hosts:
  - {name: g1, mac: "52:54:00:9a:00:01", ip: 10.79.0.11}
  - {name: g2, mac: "52:54:00:9a:00:02", ip: 10.79.0.12}
""", "guarded.yaml")
    shown = node.pxectl("diff", "-f", path, check=False).stdout
    guard = re.search(r"--if-revision (\d+)", shown).group(1)
    node.pxectl("host", "add", "between", "--mac", "52:54:00:97:00:01")
    late = node.pxectl("apply", "-f", path, "--if-revision", guard, check=False)
    assert late.returncode == 7 and "somebody changed it" in late.stderr, late
    assert node.pxectl("subnet", "show", "guarded", check=False).returncode == 6
    node.pxectl("host", "add", "holder", "--mac", "52:54:00:9a:00:02")
    broken = node.pxectl("apply", "-f", path, check=False)
    assert broken.returncode == 7 and "guarded.yaml:6:5: error: host g2" in broken.stderr, broken
    assert "holder" in broken.stderr and "2 of 3 changes were made. Running it again is safe" in broken.stderr, broken
    node.pxectl("host", "remove", "holder", "--yes")
    assert "1 added, 0 changed" in node.pxectl("apply", "-f", path).stdout
    healed = node.pxectl("diff", "-f", path)
    guard = str(revision(node.pxectl("apply", "-f", path).stdout))
    assert healed.returncode == 0 and node.pxectl("apply", "-f", path, "--if-revision", guard).returncode == 0


def test_once_with_a_serial_is_armed_once(healthy):
    node = healthy.nodes[0]
    text = SITE.replace("ip: 10.78.0.11,", "ip: 10.78.0.11, once: {profile: ask, serial: 1},")
    assert "once" in node.pxectl("apply", "-f", write(healthy, text)).stdout
    assert "0 changes" in node.pxectl("apply", "-f", write(healthy, text)).stdout
    text = text.replace("serial: 1", "serial: 2")
    assert "once: boots ask the next time (serial 2)" in node.pxectl("apply", "-f", write(healthy, text)).stdout


def test_an_image_is_pushed_when_its_files_differ(healthy):
    node = healthy.nodes[0]
    files = healthy.dir / "site-image"
    files.mkdir(exist_ok=True)
    (files / "vmlinuz").write_bytes(b"kernel one")
    text = "version: 1\nimages:\n  - {name: siteimg, from: site-image}\nprofiles:\n" \
           "  - {name: sitep, image: siteimg, kernel: vmlinuz}\n"
    path = write(healthy, text, "image.yaml")
    assert node.pxectl("diff", "-f", path, check=False).returncode == 1
    assert "1 image to push" in node.pxectl("apply", "-f", path).stdout
    assert "0 changes" in node.pxectl("apply", "-f", path).stdout
    (files / "vmlinuz").write_bytes(b"kernel two")
    assert "~ image siteimg" in node.pxectl("diff", "-f", path, check=False).stdout
    assert node.pxectl("apply", "-f", path).returncode == 0
    assert node.pxectl("diff", "-f", path).returncode == 0


def test_ten_thousand_hosts_are_applied_and_applied_again(healthy):
    lines = ["version: 1", "subnets:", "  - {name: big, cidr: 10.80.0.0/16}", "hosts:"]
    for i in range(10000):
        lines.append(f'  - {{name: h{i:05}, mac: "52:54:01:{i >> 16:02x}:{(i >> 8) & 255:02x}:{i & 255:02x}", '
                     f'ip: 10.80.{16 + i // 250}.{1 + i % 250}, vars: {{slot: "{i}"}}}}')
    path = write(healthy, "\n".join(lines) + "\n", "big.yaml")
    node = healthy.nodes[1]
    began = time.monotonic()
    done = node.pxectl("apply", "-f", path, timeout=300)
    first = time.monotonic() - began
    assert "10001 added" in done.stdout, done.stdout[-500:]
    began = time.monotonic()
    assert "0 changes" in node.pxectl("apply", "-f", path, timeout=300).stdout
    print(f"10 000 hosts: {first:.1f} s, again {time.monotonic() - began:.1f} s")
