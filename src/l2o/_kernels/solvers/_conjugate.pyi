METHOD: int
__test__: dict[str, str]
