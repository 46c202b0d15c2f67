POLICY: int
__test__: dict[str, str]
