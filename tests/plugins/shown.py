"""Studies that are worth looking at, as arguments of `lstm-bench search`, and one whose every text is hostile."""

# What would break out of Markdown, of HTML, of a table's cell, or of a figure's mathematics.
EVIL = "<script>window.pwned=1</script> [x](javascript:alert(1)) a|b `ls` $x^2$ <img src=x onerror=window.pwned=1>"
EVIL_FILE = "<img src=x onerror=window.pwned=2>`|[x](javascript:alert(2))"  # which is a file's name, too
FILES = {
    "evil.toml": f"""\
task = "toy:Toy"
trials = 2
confirm_seeds = 2

[search]
"train.lr" = {{ low = 1e-2, high = 1e-1, log = true }}
"options.fault" = ['{EVIL}', '{EVIL} too']
"""
}
# The same trials however slow the machine: else who is pruned between two seeds, and what is drawn, is up to chance.
WIDE = ("digits", "--trials", "12", "--seeds", "2", "--top", "2", "--pruner", "none", "--deterministic")
SHORT = ("--set", "train.steps=120", "--set", "train.eval_every=20", "--confirm-seeds", "3")
STUDIES = {
    "wide": (*WIDE, *SHORT),
    "deep": ("digits", "--trials", "3", "--set", "model.layers=2", *SHORT),
    "evil": ("evil.toml", "--set", f"options.spy={EVIL_FILE}"),
}
