MOMENTUM: int
CONTROLLER: int
__test__: dict[str, str]
