from l2o._kernels.solvers._descent_method import DescentMethod

def method(length: int) -> DescentMethod: ...

__test__: dict[str, str]
