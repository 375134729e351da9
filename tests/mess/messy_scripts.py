"""Scripts in place of notebooks."""

import re

from messes import mess

from autograder.build.samples import notebook

IMPORTS = "import math\n\nimport torch\nimport torch.nn.functional as F\nfrom torch import Tensor\n\n\n"


def cells(answers, code="# %%", text="# %% [markdown]"):
    """The notebook as a script with markers."""
    parts = []
    for cell in notebook(answers)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append("\n".join([text, *(f"# {line}".rstrip() for line in source.splitlines())]))
        else:
            tags = cell["metadata"].get("tags", [])
            marker = code + (' tags=["' + '", "'.join(tags) + '"]' if tags and code == "# %%" else "")
            parts.append(f"{marker}\n{source}")
    return "\n\n".join(parts) + "\n"


@mess(file="ada.py")
def jupytext_percent(answers):
    """Saved by Jupytext in its percent format."""
    header = "# ---\n# jupyter:\n#   jupytext:\n#     text_representation:\n#       format_name: percent\n# ---\n\n"
    return header + cells(answers)


@mess(file="ada.py")
def vs_code_script(answers):
    """Exported by VS Code, with magics in comments and Windows' line ends and BOM."""
    return "\ufeff" + ("# %%\n# %matplotlib inline\n# !ls\n" + cells(answers, code="#%%")).replace(
        "\n", "\r\n"
    )


@mess(file="ada.py")
def nbconvert_script(answers):
    """Exported by nbconvert."""
    text = "#!/usr/bin/env python\n# coding: utf-8\n\n" + cells(answers, code="# In[12]:\n\n", text="")
    return text + "\n\n# In[ ]:\n\n\nget_ipython().system('ls')\n"


@mess(file="ada.py")
def nbconvert_script_with_magics(answers):
    """Exported by nbconvert, the answers as strings in calls, since their cells began with %%time."""
    calls = [f"get_ipython().run_cell_magic('time', '', {answer!r})" for answer in answers.values()]
    return "# coding: utf-8\n" + "".join(
        f"\n# In[{n}]:\n\n\n{source}\n" for n, source in enumerate([IMPORTS, *calls])
    )


@mess(file="ADA.PY")
def plain_script(answers):
    """One file without cells."""
    return IMPORTS + "\n\n".join(answers.values())


@mess(file="ada.py", limit=1.0)
def plain_script_with_a_program(answers):
    """One file whose program runs for ever, and raises before that."""
    return IMPORTS + "\n\n".join(answers.values()) + "\n1 / 0\nwhile True:\n    causal_mask(3)\n"


@mess(file="ada.py")
def plain_script_in_latin_1(answers):
    """One file in an old encoding, with future annotations and a main block."""
    text = f"# -*- coding: latin-1 -*-\nfrom __future__ import annotations\n# à propos\n{IMPORTS}"
    answers = [re.sub(r"mask(: .*?)? ?= ?None", "mask: Später = None", answer) for answer in answers.values()]
    text += "\n\n".join(answers).replace("ä", "ae") + "\n\nif __name__ == '__main__':\n    print(attend)\n"
    return re.sub(r"[^\x00-\xff]", "?", text).encode("latin-1")


@mess(file="ada.py")
def jupytext_light(answers):
    """Saved by Jupytext in its light format."""
    parts = re.split(r"^# %%(.*)\n", cells(answers), flags=re.MULTILINE)
    blocks = zip(parts[1::2], parts[2::2], strict=True)
    return "\n".join(body if "[markdown]" in head else f"# +{head}\n{body}# -\n" for head, body in blocks)
