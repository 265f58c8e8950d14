"""A kernel that asks for its frames in their order."""

from interact import Values, operator


@operator(name="follow", ordered=True)
def follow(part: Values) -> Values:
    """What comes, message after message."""
    return part.values(**part.columns)  # type: ignore[arg-type]  # no column is "units"
