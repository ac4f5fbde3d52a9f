"""A policy server that dials λ for each request: a column of λ, and a live policy's own actions, moved to it.

Run it by ``python -m examples.policy_server``.
"""

import sys

import mlflow.pyfunc
import numpy as np
import pandas as pd

from examples.served import ROOMS, served_model

PRICES = [0.25, 1.5, 2.5]
"""A price of power for each room."""


def dialled(model: mlflow.pyfunc.PyFuncModel, rooms: pd.DataFrame, prices: list[float]) -> pd.DataFrame:
    """The power of each room (kW) at its own price."""
    return model.predict(rooms.assign(price=prices))


def moved(model: mlflow.pyfunc.PyFuncModel, rooms: pd.DataFrame, power: pd.Series, prices: list[float]) -> pd.DataFrame:
    """The power that a policy of price 0 has chosen already, moved to each room's own price."""
    return model.predict(rooms.assign(base_power=power, base_price=0.0, price=prices))


def main() -> None:
    """Ask at a price for each room, and move what the policy of price 0 does."""
    with served_model() as model:
        now = 20 - ROOMS["temperature"]  # the best power at price 0
        answers = {"asked": dialled(model, ROOMS, PRICES), "moved": moved(model, ROOMS, now, PRICES)}
    exact = np.round(now.to_numpy() / (1 + np.array(PRICES)), 2)
    for name, answer in answers.items():
        sys.stdout.write(f"{name}: {answer['power'].to_numpy().round(2)} kW (exact {exact})\n")


if __name__ == "__main__":
    main()
