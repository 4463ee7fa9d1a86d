"""What is told to the objects of a process that forks, and the turnstile that brings their work to rest."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from textwrap import dedent

import pytest

from automem_agents import _fork
from automem_agents._fork import Turnstile

pytestmark = [
    pytest.mark.any_index,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
]


def run(code: str, timeout: float = 20.0) -> list[str]:
    """Run code in a process of its own, since forking one with many threads is warned of from Python 3.12 on."""
    head = "import logging, os, threading\nfrom automem_agents._fork import *\n"
    head += (
        "logging.basicConfig()\ndef say(word): os.write(1, f'{word}\\n'.encode())\n"  # one write, no buffer to inherit
    )
    result = subprocess.run(
        [sys.executable, "-c", head + dedent(code)], capture_output=True, text=True, timeout=timeout, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_a_survivor_is_told_in_the_child_and_a_pausing_one_on_both_sides() -> None:
    said = run(
        """
        class Plain:
            def after_fork(self): say("plain-in-child")
        class Rests(Plain):
            def before_fork(self): say("rest")
            def after_fork_in_parent(self): say("on")
            def after_fork(self): say("rests-in-child")
        plain, rests = Plain(), Rests()
        survive_fork(plain), survive_fork(rests)
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        """
    )
    assert said.index("rest") == 0
    assert sorted(said[1:]) == ["on", "plain-in-child", "rests-in-child"]


def test_one_that_fails_is_logged_and_the_others_are_told() -> None:
    said = run(
        """
        class Fails:
            def before_fork(self): raise ValueError("before")
            def after_fork_in_parent(self): raise ValueError("parent")
            def after_fork(self): raise ValueError("child")
        class Plain:
            def after_fork(self): say("told")
        fails, plain = Fails(), Plain()
        survive_fork(fails), survive_fork(plain)
        child = os.fork()
        if not child:
            os._exit(0)
        say(str(os.waitpid(child, 0)[1]))
        """
    )
    assert said == ["told", "0"]


def test_a_grandchild_is_told_too_and_two_threads_can_fork() -> None:
    said = run(
        """
        class Plain:
            def after_fork(self): say("told")
        plain = Plain()
        survive_fork(plain)
        def fork(depth):
            child = os.fork()
            if not child:
                if depth: fork(depth - 1)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        threads = [threading.Thread(target=fork, args=(1,)) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        """
    )
    assert said == ["told"] * 8


def test_what_is_kept_for_ever_is_not_finalised_when_the_interpreter_ends() -> None:
    code = """
        class Noisy:
            def __del__(self): print("finalised", flush=True)
        noisy = Noisy()
        """
    assert run(code) == ["finalised"]
    assert run(code + "keep_for_ever((noisy,))\n        del noisy") == []


def test_the_dead_are_forgotten() -> None:
    class Plain:
        def after_fork(self) -> None: ...

    plain = Plain()
    key = id(plain)
    _fork.survive_fork(plain)
    known = _fork._living[key]
    assert known() is plain
    del plain
    gc.collect()
    assert _fork._living.get(key) is not known  # others come and go meanwhile


def test_a_turnstile_waits_for_who_is_inside_and_lets_nobody_in() -> None:
    turnstile, inside, leave = Turnstile(), threading.Event(), threading.Event()
    passed: list[str] = []

    def stay() -> None:
        with turnstile:
            inside.set()
            leave.wait(10)
            with turnstile:  # work within work passes, or it could never end
                passed.append("nested")

    def come_later() -> None:
        with turnstile:
            passed.append("later")

    staying = threading.Thread(target=stay)
    staying.start()
    assert inside.wait(10)
    assert not turnstile.shut(patience=0.05)
    threading.Timer(0.1, leave.set).start()
    assert turnstile.shut(patience=10)
    late = threading.Thread(target=come_later)
    late.start()
    time.sleep(0.1)
    assert passed == ["nested"]
    turnstile.open()
    late.join(10)
    staying.join(10)
    assert passed == ["nested", "later"]


def test_a_turnstile_that_could_not_be_shut_is_open() -> None:
    turnstile = Turnstile()
    with turnstile:
        started = time.monotonic()
        assert not turnstile.shut(patience=10)
        assert time.monotonic() - started < 1  # waiting for oneself is useless
    with turnstile:
        pass


def test_a_fork_waits_for_an_import_in_another_thread() -> None:
    said = run(
        """
        import sys, tempfile, time
        folder = tempfile.mkdtemp()
        open(folder + "/slow_library.py", "w").write("import time; time.sleep(0.5)")
        sys.path.insert(0, folder)
        began = threading.Event()
        def use():
            with IMPORTS:
                began.set()
                import slow_library
        thread = threading.Thread(target=use)
        thread.start()
        began.wait()
        child = os.fork()
        if not child:
            with IMPORTS:
                import slow_library
            say("imported")
            os._exit(0)
        os.waitpid(child, 0)
        with IMPORTS:
            say("open")
        """
    )
    assert said == ["imported", "open"]
