"""Progress bars: shown when somebody watches, silent otherwise."""

import io
import sys
import types

from cs231n.support.progress import is_watched, progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(**options):
    with progress_bar(2, "counting", **options) as bar:
        bar.update()
        bar.write("a line")
        bar.update()


def test_silent_in_logs_and_pipes_but_for_lines_written(capsys):
    assert not is_watched()
    run()
    captured = capsys.readouterr()
    assert captured.out == "a line\n"
    assert captured.err == ""


def test_shown_on_a_terminal(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    assert is_watched()
    run()
    assert "counting: 100%" in screen.getvalue()
    assert "a line\n" in screen.getvalue()


def test_disabled_means_silent_everywhere(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    run(enabled=False)
    assert screen.getvalue() == "a line\n"


def test_shown_in_a_notebook(monkeypatch, capsys):
    shell = types.SimpleNamespace(kernel=None)
    notebook = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    shown = []

    def display(data, raw, display_id):
        shown.append([data["text/plain"]])
        assert raw
        assert display_id
        return types.SimpleNamespace(update=update)

    def update(data, raw):
        assert raw
        shown[-1].append(data)

    module = types.ModuleType("IPython.display")
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    assert is_watched()
    run(initial=1)
    [[first, *later]] = shown  # one output, whose text changes
    assert first.startswith("counting:")
    assert later[-1]["text/plain"].startswith("counting: 3it")
    assert capsys.readouterr().out == "a line\n"
    monkeypatch.setattr(notebook, "get_ipython", types.SimpleNamespace)
    assert not is_watched()
