"""A kettle."""
import time

BOILING = 100


class Kettle:
    """Boils water."""

    def __init__(self, degrees: int = 20):
        self.degrees = degrees

    @property
    def boils(self) -> bool:
        def inner():
            pass
        return self.degrees >= BOILING


async def pour(
    kettle: Kettle,
    cups: int,
) -> None:
    text = "def not_here():"
    time.sleep(1)


@app.get("/kettles")
@cached
def kettles():
    MOST = 3
    return []


class Size(Enum):
    SMALL = 1
    largest = None

    @staticmethod
    def of(cups: int): ...
