"""An analyst who wants several λ at once, beside each other, and what of them may be trusted.

Run it by ``python -m examples.analyst``.
"""

import sys

import pandas as pd

from examples.served import ROOMS, served_model

PRICES = [0.0, 0.83, 2.0]


def table(answer: pd.DataFrame) -> pd.DataFrame:
    """A line for each row of the conditions, a column for each λ."""
    return answer.pivot(index="row", columns="price", values="power")


def main() -> None:
    """One call for all prices; `return_bands` adds the distance from the conditions that the networks were asked at."""
    far = pd.DataFrame({"temperature": [35.0]})
    with served_model() as model:
        answer = model.predict(ROOMS, params={"price": PRICES})
        distant = model.predict(far, params={"price": [0.83], "return_bands": True})
    for row, powers in table(answer).iterrows():
        sys.stdout.write(f"{ROOMS['temperature'][row]} °C at prices {PRICES}: {powers.to_numpy().round(2)} kW\n")
    sys.stdout.write(f"35.0 °C is outside the harvest by: {distant['distance'][0]:.2f} standard deviations\n")


if __name__ == "__main__":
    main()
