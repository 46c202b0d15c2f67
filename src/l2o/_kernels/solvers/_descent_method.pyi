from typing import final

@final
class DescentMethod: ...

__pyx_capi__: dict[str, object]
__test__: dict[str, str]
