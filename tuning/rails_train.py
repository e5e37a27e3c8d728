"""Train a rail's adapters as those that ship were trained, folds, threshold and report included.

    python -m tuning.rails_train RAIL --base FOLDER --rows rows --out RUN --weights WEIGHTS [--jobs 6]

RAIL is toxicity, prompt_injection or harmful_requests; rows is what `tuning.rails_data` wrote. RUN gets what the
trainings leave (scores of held-out rows, adapters of the folds), WEIGHTS a folder for each adapter as `models/weights`.
The options stand in `tuning/rails_recipes.toml`. On a GPU a rail takes two to three minutes; on two cores, hours.
"""

from __future__ import annotations

import argparse
import shutil
import tomllib
from pathlib import Path

from tuning import classifier_cli, rail_mean

RECIPES = tomllib.loads(Path(__file__).with_name("rails_recipes.toml").read_text(encoding="utf-8"))
ASIDE = ("--aside=ordinary", "--aside=written")
OF_THE_MEAN = ("--metric", "--cap")
"""What the threshold of a mean is chosen by, as that of one adapter is."""


def main() -> None:
    """Train every adapter of the rail, and write what ships."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rail", choices=[name for name in RECIPES["adapters"] if not name.endswith("_second")])
    for name in ("base", "rows", "out", "weights"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=1)
    given, more = parser.parse_known_args()
    names = RECIPES["mean"].get(given.rail, [given.rail])
    for name in names:
        recipe = RECIPES["adapters"][name]
        rows = given.rows / f"{recipe.get('rows', name)}.train.jsonl"
        paths = [f"--base={given.base}", f"--train={rows}", f"--out={given.out / name}"]
        card = [f"--data={recipe['data']}", f"--licence={recipe['licence']}", "--rank=32", "--folds=5", *ASIDE]
        classifier_cli.main([*paths, *card, *recipe["options"], f"--jobs={given.jobs}", "--keep-folds", *more])
    if len(names) == 1:
        folder = given.weights / given.rail
        folder.mkdir(parents=True, exist_ok=True)
        for file in ("adapter.safetensors", "card.json"):
            shutil.copyfile(given.out / given.rail / file, folder / file)
        return
    chosen = [option for option in RECIPES["adapters"][given.rail]["options"] if option.startswith(OF_THE_MEAN)]
    members = [str(given.out / name) for name in names]
    rail_mean.main(["--members", *members, *chosen, *ASIDE, f"--out={given.weights}"])


if __name__ == "__main__":
    main()
