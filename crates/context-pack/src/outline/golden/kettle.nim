import times

const boiling = 100

type
  Kettle = object
    degrees: int

proc heat(kettle: var Kettle, by: int): bool =
  kettle.degrees += by
  result = kettle.degrees >= boiling

template pour(cups: int) =
  echo cups
