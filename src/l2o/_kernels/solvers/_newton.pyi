from l2o._kernels.solvers._descent_method import DescentMethod

def method(hessian: int) -> DescentMethod: ...

__test__: dict[str, str]
