from l2o._kernels.solvers._descent_method import DescentMethod

def method(hessian: int, expansion: int = 0) -> DescentMethod: ...

__test__: dict[str, str]
