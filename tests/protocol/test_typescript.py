from __future__ import annotations

import dataclasses
import types
from pathlib import Path

import pytest

from landscape_widgets.protocol import messages, typescript

GENERATED = Path(__file__).parents[2] / "js" / "src" / "protocol" / "messages.ts"


def test_the_generated_file_is_fresh():
    assert typescript.main(["--check", str(GENERATED)]) == 0, f"run {typescript.COMMAND}"


def test_check_tells_a_stale_or_missing_file(tmp_path, capsys):
    path = tmp_path / "deep" / "messages.ts"
    assert typescript.main(["--check", str(path)]) == 1
    assert typescript.main([str(path)]) == 0
    assert typescript.main(["--check", str(path)]) == 0
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert typescript.main(["--check", str(path)]) == 1
    assert typescript.COMMAND in capsys.readouterr().out


def test_every_class_and_constant_is_there():
    text = typescript.generate()
    for cls in messages.FROM_PAGE + messages.TO_PAGE + (messages.Frame, messages.Pair):
        assert f"export interface {cls.__name__} {{" in text
    assert f"export const MAX_UNACKNOWLEDGED = {messages.MAX_UNACKNOWLEDGED};" in text
    assert "  readonly seconds_left: number | null;\n" in text
    assert "  readonly pairs: readonly Pair[];\n" in text
    assert "  readonly purpose: Work;\n" in text
    assert "  readonly source: Source;\n" in text
    assert "/** Tile `seq` of run `run` has been drawn. */\nexport interface Ack {" in text


def test_a_type_that_no_message_may_hold_is_refused():
    @dataclasses.dataclass
    class Odd:
        value: dict

    module = types.ModuleType("odd")
    module.Odd = Odd
    with pytest.raises(TypeError, match="a type that a message may hold"):
        typescript._interface(Odd, {})


def test_a_long_union_is_broken():
    text = typescript._union("Long", [f"Member{n}" for n in range(20)])
    assert text.startswith("export type Long =\n  | Member0\n")
    assert text.endswith("  | Member19;\n")
