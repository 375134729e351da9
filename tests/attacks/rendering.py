"""Attacks on whoever reads the reports: markup, scripts and terminal codes in everything that a learner can write."""

from registry import ATTEND, Files, attack, code, edit, garbage, position

SCRIPT = "<script>alert(1)</script>"
BREAKS = "\"'><img src=x onerror=alert(1)></title></td></style></textarea>--></script><svg onload=alert(1)>"
TERMINAL = "\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b31m\x00\u202e\u2028"


@attack
def script_in_messages():
    """Markup in the message of an error, in its class's name and in the line that is quoted."""
    return garbage(
        attend=f"def attend(*a, **k):\n    raise type({SCRIPT!r}, (Exception,), {{}})({BREAKS!r})  # {BREAKS}",
        weights=f"def attention_weights(*a, **k):\n    raise ValueError({BREAKS!r} * 100 + {TERMINAL!r})  # {SCRIPT}",
        mask=f"def causal_mask(*a, **k):\n    return type({SCRIPT!r}, (), {{}})()",
    )


@attack
def script_in_headings():
    """Markup in the headings above the answers, which a report names as their places."""
    made = garbage()
    for exercise in (ATTEND, "day09.attention_weights"):
        at = position(made, exercise)
        made["cells"].insert(
            at, {"cell_type": "markdown", "id": f"h{at}", "metadata": {}, "source": f"# {BREAKS}{TERMINAL}"}
        )
    return made


@attack
def a_heading_that_claims_points():
    """A heading that reads like a line of the report: full marks, with its table."""
    made = garbage()
    text = "# x” · <strong>26 of 26 points</strong> ✓ `</code>` ``` | 26/26 |"
    at = position(made, ATTEND)
    made["cells"].insert(at, {"cell_type": "markdown", "id": "claim", "metadata": {}, "source": text})
    return made


@attack
def script_in_outputs():
    """HTML, SVG, JavaScript, LaTeX and widgets in the stored outputs, and files attached to cells."""
    made = garbage()
    data = {
        "text/html": SCRIPT,
        "image/svg+xml": "<svg onload=alert(1)>",
        "application/javascript": "alert(1)",
        "text/latex": "\\href{javascript:alert(1)}{x}",
        "application/vnd.jupyter.widget-view+json": {"model_id": SCRIPT},
        "text/plain": TERMINAL,
    }
    for cell in made["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "display_data", "metadata": {}, "data": data}]
        else:
            cell["attachments"] = {SCRIPT: {"text/html": SCRIPT}}
    return made


@attack
def script_in_names():
    """Markup, links and codes for terminals in the learner's name."""
    return Files(
        {
            f"{name}.ipynb": garbage()
            for name in (
                "<script>alert(1)<", "<img src=x onerror=alert(1)>", "javascript:alert(1)",
                "&lt;b&gt;\"' onclick=alert(1) '",
                "..%2f..%2fx", "data:text;html,x", "#?x=1&y=2", "@NAME@\x1b[31m\u202eevil", "`code`` ``` ",
            )
        }
    )  # fmt: skip


@attack
def script_in_folders():
    """The same in the names of nbgrader's folders, which name the assignment."""
    return Files({"<b>@NAME@/<img src=x onerror=alert(1)>/day09_attention.ipynb": garbage()})


@attack
def markup_in_what_is_returned():
    """Texts, keys and types of returned values hold markup, for messages that show what came back."""
    return garbage(
        mask=f"def causal_mask(T, device=None):\n    return {BREAKS!r}",
        weights=f"class Odd: pass\nOdd.__name__ = {SCRIPT!r}\ndef attention_weights(*a):\n    return Odd()",
        attend=f"def attend(*a, **k):\n    return {{{SCRIPT!r}: {BREAKS!r}}}",
    )


@attack
def markup_in_syntax_errors():
    """Cells that are not Python, whose errors would quote them."""
    made = garbage()
    for number, exercise in enumerate((ATTEND, "day09.attention_weights", "day09.causal_mask")):
        edit(made, exercise, source=f"def {SCRIPT}\n{BREAKS}\n'{TERMINAL}" + "(" * number)
    return made


@attack
def markup_in_definitions():
    """Names that a report would list: functions defined in the answer's cell in place of the answer."""
    made = garbage()
    names = "".join(f"def ﬁ{n}{'x' * 500}(): pass\n" for n in range(200))
    return edit(made, ATTEND, source=names + "raise SystemExit")


@attack
def templates_and_formats():
    """Jinja, format and percent signs in everything that passes through a template."""
    text = "{{ report }}{% include 'page.html' %}{0.__class__} %(x)s %n ${HOME}"
    made = garbage(attend=f"def attend(*a, **k):\n    raise ValueError({text!r})  # {text}")
    made["cells"].append(code(f"# {text}", "templates"))
    return made


@attack
def endless_backticks():
    """A message of nothing but backticks and brackets, for the expression that sets code."""
    return garbage(attend="def attend(*a, **k):\n    raise ValueError('`' * 400 + '<`>`' * 4000)")
