__pyx_capi__: dict[str, object]
__test__: dict[str, str]
