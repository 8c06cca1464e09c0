"""Names and labels from strangers: paths that leave the data root, shells, HTML."""

import csv
import html.parser
import os
import shutil

import audio

HOSTILE = {
    "a script": "<script>alert(1)</script>",
    "an attribute": "\"><img src=x onerror=alert(1)>'",
    "a newline": "two\nlines",
    "4 kB": "long-" * 820,
    "bytes that are no UTF-8": b"\xff\xfe\x80bad".decode("utf-8", "surrogateescape"),
    "a shell": "$(touch SHELL) ; touch SHELL `touch SHELL`",
}


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.scripts, self.handlers = 0, 0

    def handle_starttag(self, tag, attributes):
        self.scripts += tag in ("script", "img", "iframe", "object")
        self.handlers += any(name.startswith("on") for name, _ in attributes)


def run(bench, table):
    outside(bench, table)
    links(bench, table)
    labels(bench, table)
    shells(bench, table)


def prepare(bench, source, store, *words):
    return bench.do([bench.prepare_command(store)[0], source, "--out", store, "--quiet", *words])


def outside(bench, table):
    with table.row("a table names a file outside its folder (.., absolute)") as row:
        root = bench.fresh("outside")
        audio.write_wav(root / "secret.wav", audio.tone(30000))
        source = root / "corpus"
        for label in ("A", "B"):
            audio.write_wav(source / f"{label}.wav", audio.tone(30000, 5 * ord(label)))
        for name in ("../secret.wav", str(root / "secret.wav"), "a/../../secret.wav", "/etc/passwd"):
            (source / "corpus.csv").write_text(f"path,label\nA.wav,A\nB.wav,B\n{name},A\n")
            store = bench.fresh("outside-store")
            done = prepare(bench, source, store)
            row.tries()
            listed = (store / "problems.csv").read_text() if done.status == 0 else done.errors
            if done.status != 0 or f"{name}," not in listed or "outside" not in listed:
                row.loses(f"{name}: {listed}")
            row.sees(listed.splitlines()[-1])
        shutil.rmtree(root)


def links(bench, table):
    with table.row("a symbolic link in a data folder leads out of it") as row:
        root = bench.fresh("linked")
        audio.write_wav(root / "secret/secret.wav", audio.tone(30000))
        source = root / "folders"
        for label in ("A", "B"):
            audio.write_wav(source / label / f"{label}.wav", audio.tone(30000, 5 * ord(label)))
        (source / "A/file.wav").symlink_to("../../secret/secret.wav")
        (source / "B/chain.wav").symlink_to("../A/file.wav")
        (source / "C").symlink_to(root / "secret")
        (source / "D").symlink_to("C")
        (root / "link").symlink_to("folders")
        bad = ("A/file.wav", "B/chain.wav", "C/secret.wav", "D/secret.wav")
        for data in (source, root / "link"):
            for words in ([], ["--allow-outside"]):
                store = bench.fresh("linked-store")
                done = prepare(bench, data, store, *words)
                listed = (store / "problems.csv").read_text() if done.status == 0 else done.errors
                refused = [name for name in bad if f"{name},0,outside" in listed]
                for _ in bad:
                    row.tries()
                if done.status != 0 or len(refused) != (0 if words else len(bad)):
                    row.loses(f"{data.name} {words}: {listed}")
                if refused:
                    row.sees(listed.splitlines()[1])
        shutil.rmtree(root)


def labels(bench, table):
    with table.row("hostile labels, sources and run names in report.html") as row:
        source, store, out = bench.fresh("hostile"), bench.fresh("hostile-store"), bench.fresh("hostile-run")
        rows = [("path", "label", "split", "group", "source", "license")]
        for i, text in enumerate(HOSTILE.values()):
            for k in range(3):
                path = f"{i}-{k}.wav"
                audio.write_wav(source / path, audio.tone(30000 + 100 * k + 7 * i, 200 + 50 * i))
                rows.append((path, text, "test" if k == 2 else "train", text, text, text))
        with open(source / "corpus.csv", "w", newline="", errors="surrogateescape") as file:
            csv.writer(file).writerows(rows)
        row.tried = row.struck = len(HOSTILE)
        done = prepare(bench, source, store)
        if done.status != 0:
            bench.check_failure(row, done)
            return
        run_done = bench.do(bench.train_command(out, "--set", "folds.count=2", data=store))
        scored = bench.do([bench.evaluate_command(out)[0], out, "--data", store, "--quiet"])
        if run_done.status or scored.status:
            row.loses(run_done.errors + scored.errors)
            return
        page = (out / "report.html").read_bytes()
        tags = Tags()
        tags.feed(page.decode("utf-8"))  # strictly: it must be UTF-8
        if tags.scripts or tags.handlers or b"<script>alert" in page:
            row.loses("markup from a label reached the page")
        row.sees("the names as text")


def shells(bench, table):
    with table.row("file and folder names that a shell would run") as row:
        source, store = bench.fresh("shell"), bench.fresh("shell-store $(touch SHELL)")
        for label, name in (("A", "$(touch SHELL).wav"), ("A", "`touch SHELL`.wav"),
                            ("B", "; touch SHELL;.wav"), ("B", "-rf.wav"), ("B", "|touch SHELL.wav")):
            audio.write_wav(source / label / name, audio.tone(20000 + len(name)))
            row.tries()
        done = prepare(bench, source, store)
        if done.status != 0:
            row.loses(done.errors)
        if os.path.exists("SHELL") or list(bench.work.rglob("SHELL")):
            row.loses("a shell ran")
        row.sees("nothing: no program starts a shell")
