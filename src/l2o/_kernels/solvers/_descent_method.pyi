from typing import final

@final
class DescentMethod:
    def __init__(self, *args: object, **kwargs: object) -> None: ...

__pyx_capi__: dict[str, object]
__test__: dict[str, str]
