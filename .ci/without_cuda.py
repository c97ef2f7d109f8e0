"""Lets a published torch run on the CPU without CUDA's packages, which are several times its size.

Run it with the interpreter of an environment that torch was installed into with `--no-deps`. PyPI's builds for Linux
are linked against CUDA's libraries and do not load without them. Here a library of the same name takes the place of
each one that is missing; its functions all answer "no device", so that torch finds no GPU and never asks for more.
"""

import re
import subprocess
import sysconfig
import tempfile
from collections import defaultdict
from pathlib import Path

NO_DEVICE = 100  # cudaErrorNoDevice


def output(*command: str | Path) -> str:
    """What a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Builds what is missing beside the torch of the running interpreter."""
    folder = Path(sysconfig.get_path("platlib")) / "torch" / "lib"
    if not (folder / "libtorch_cuda.so").exists():
        return
    libraries = list(folder.glob("*.so*"))
    needed: set[str] = set()
    wanted: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))  # library, version
    unversioned, defined = set(), set()
    for library in libraries:
        needed |= set(re.findall(r"NEEDED.*\[(.+)\]", output("readelf", "-d", library)))
        home = {}  # a symbol's version -> the library that it is required from
        for name, block in re.findall(r"required from (\S+):\n((?:\s+0x.*\n)+)", output("objdump", "-p", library)):
            home |= dict.fromkeys(re.findall(r"\S+$", block, flags=re.MULTILINE), name)
        for line in output("nm", "-D", library).splitlines():
            kind, symbol = line.split()[-2:]
            symbol, _, version = symbol.replace("@@", "@").partition("@")
            if kind != "U":
                defined.add(symbol)
            elif version in home:
                wanted[home[version]][version].add(symbol)
            elif not version:
                unversioned.add(symbol)
    # Libraries without versions (NCCL, cuRAND, …) do not say which symbol is whose: each stand-in has them all.
    loose = {s for s in unversioned - defined if re.match(r"_*(nccl|nv|cu)", s)}
    system = set(re.findall(r"^\s+(\S+) \(", output("/sbin/ldconfig", "-p"), flags=re.MULTILINE))
    for name in sorted(needed - system - {p.name for p in libraries}):
        _build(folder / name, wanted.get(name, {"": loose}))


def _build(library: Path, versions: dict[str, set[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, script = Path(folder) / "library.c", Path(folder) / "library.map"
        symbols = sorted(set().union(*versions.values()))
        source.write_text("".join(f"int {symbol}(void) {{ return {NO_DEVICE}; }}\n" for symbol in symbols))
        blocks = [f"{v} {{ {''.join(f'{s}; ' for s in sorted(found))} }};\n" for v, found in versions.items() if found]
        script.write_text("".join(blocks))
        versioned = [f"-Wl,--version-script={script}"] if blocks else []
        flags = ["-shared", "-fPIC", "-w", "-fno-builtin", f"-Wl,-soname,{library.name}", *versioned]
        subprocess.run(["gcc", *flags, "-o", library, source], check=True)


if __name__ == "__main__":
    main()
