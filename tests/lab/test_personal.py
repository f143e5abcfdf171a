"""Twenty machines, each with files of its own, the same from every node, over HTTP and TFTP."""

import concurrent.futures

import pytest

COUNT = 20
TEMPLATE = "host {{name}}\nmac {{mac}}\nnumber {{vars.number}}\nrack {{vars.rack}}\n{{#vars.spare}}spare\n{{/vars.spare}}from {{node}}\n"


def mac(number):
    return f"52:54:00:73:00:{number:02x}"


def dashed(number):
    return mac(number).replace(":", "-")


@pytest.fixture(scope="module")
def personal(lab, tmp_path_factory):
    """Hosts h1 to h20: variables from the cluster, a group and the host; every second machine is of the group."""
    node = lab.nodes[0]
    image = tmp_path_factory.mktemp("image")
    (image / "vmlinuz").write_bytes(b"kernel" * 500)
    (image / "initrd.img").write_bytes(b"initrd" * 500)
    template = image.parent / "id.txt"
    template.write_text(TEMPLATE)
    node.pxectl("image", "add-loaders", "ipxe", timeout=120)
    node.pxectl("image", "push", "tiny", image, timeout=120)
    node.pxectl("cluster", "set", "var.rack=none")
    node.pxectl("profile", "add", "tiny", "--image", "tiny", "--kernel", "vmlinuz", "--initrd", "initrd.img",
                "--args", "host={{name}} number={{vars.number}}", "--template", f"id.txt={template}")
    node.pxectl("group", "add", "even", "--var", "rack=r2", "--var", "spare=yes")
    for number in range(1, COUNT + 1):
        more = ["--group", "even"] if number % 2 == 0 else []
        node.pxectl("host", "add", f"h{number}", "--mac", mac(number), "--profile", "tiny", "--var", f"number=n{number}", *more)
    lab.wait_equal()
    return lab


def expected(number, node):
    group = "rack r2\nspare\n" if number % 2 == 0 else "rack none\n"
    return f"host h{number}\nmac {mac(number)}\nnumber n{number}\n{group}from {node.name}\n"


def fetch(client, url):
    return client.run("curl", "-sS", "-f", "--max-time", "30", url).stdout


def of_all(client, nodes, scheme, check):
    """check(node, number, fetch) for every node and machine, eight at a time."""
    client.udhcpc()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(check, node, number, lambda path, n=node: fetch(client, f"{scheme}://{n.ip}/{path}"))
                for node in nodes for number in range(1, COUNT + 1)]
        for job in jobs:
            job.result()


@pytest.mark.parametrize("scheme", ["http", "tftp"])
def test_every_machine_gets_its_own_file_from_every_node(healthy, personal, client, scheme):
    def check(node, number, get):
        assert get(f"t/{dashed(number)}/id.txt") == expected(number, node)
    of_all(client, healthy.nodes, scheme, check)


@pytest.mark.parametrize("scheme", ["http", "tftp"])
def test_every_machine_gets_its_own_boot_script_from_every_node(healthy, personal, client, scheme):
    def check(node, number, get):
        script = get(f"boot/{dashed(number)}.ipxe")
        assert script.startswith("#!ipxe\n") and f"host=h{number} number=n{number}" in script, script
    of_all(client, healthy.nodes, scheme, check)


def test_every_machine_gets_its_own_pxelinux_and_grub_configuration(healthy, personal, client):
    def check(node, number, get):
        for path in (f"pxelinux/pxelinux.cfg/01-{dashed(number)}", f"grub/grub.cfg-01-{dashed(number)}"):
            text = get(path)
            assert f"host=h{number}" in text and f"number=n{number}" in text, (path, text)
            assert "tiny@" in text and "vmlinuz" in text and "initrd.img" in text, (path, text)
    of_all(client, healthy.nodes, "tftp", check)


def test_a_change_is_seen_at_once_on_every_node(healthy, personal, client):
    client.udhcpc()
    healthy.nodes[1].pxectl("host", "set", "h3", "--var", "number=changed")
    healthy.wait_equal()
    try:
        for node in healthy.nodes:
            assert "number changed\n" in fetch(client, f"http://{node.ip}/t/{dashed(3)}/id.txt")
    finally:
        healthy.nodes[1].pxectl("host", "set", "h3", "--var", "number=n3")
        healthy.wait_equal()


def test_a_missing_variable_is_named_and_nothing_else_breaks(healthy, personal, client):
    client.udhcpc()
    node = healthy.nodes[2]
    node.pxectl("host", "set", "h5", "--var", "number=")
    healthy.wait_equal()
    try:
        said = client.run("curl", "-sS", "-w", "%{http_code}", f"http://{node.ip}/t/{dashed(5)}/id.txt").stdout
        assert said.endswith("500"), said
        assert "id.txt, line 3" in said and "vars.number" in said, said
        assert client.run("curl", "-sS", f"tftp://{node.ip}/t/{dashed(5)}/id.txt", check=False).returncode != 0
        assert fetch(client, f"http://{node.ip}/t/{dashed(6)}/id.txt") == expected(6, node)
    finally:
        node.pxectl("host", "set", "h5", "--var", "number=n5")
        healthy.wait_equal()
