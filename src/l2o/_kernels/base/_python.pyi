FUNCTION: int
MODEL: int
__test__: dict[str, str]
