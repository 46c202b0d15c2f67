LEVEL: int
__test__: dict[str, str]
BUILT: int
