# NumPy's arrays at the price of a pointer: a memoryview, and np.empty, take a fifth of a microsecond each, and a call
# has a dozen of them.
cimport numpy as cnp
from libc.stdint cimport intptr_t


cdef inline void* contents(cnp.ndarray array, int kind, intptr_t size) except NULL:
    """Where the numbers of an array are: `size` of one kind, without gaps."""
    if cnp.PyArray_TYPE(array) != kind or cnp.PyArray_SIZE(array) != size or not cnp.PyArray_IS_C_CONTIGUOUS(array):
        raise ValueError(f"an array has shape {(<object> array).shape}, strides {(<object> array).strides} and dtype "
                         f"{array.dtype}; expected {size} numbers without gaps, of NumPy's type number {kind}")
    return cnp.PyArray_DATA(array)


cdef inline double* doubles(cnp.ndarray array, intptr_t size) except NULL:
    return <double*> contents(array, cnp.NPY_DOUBLE, size)


cdef inline intptr_t* counts(cnp.ndarray array, intptr_t size) except NULL:
    return <intptr_t*> contents(array, cnp.NPY_INTP, size)


cdef inline size_t* addresses_in(cnp.ndarray array, intptr_t size) except NULL:
    return <size_t*> contents(array, cnp.NPY_UINTP, size)


cdef inline int* codes(cnp.ndarray array, intptr_t size) except NULL:
    return <int*> contents(array, cnp.NPY_INT, size)


cdef inline unsigned char* flags(cnp.ndarray array, intptr_t size) except NULL:
    return <unsigned char*> contents(array, cnp.NPY_BOOL, size)


cdef inline cnp.ndarray empty(int kind, int ndim, intptr_t m, intptr_t rows=0, intptr_t columns=0):
    """A new array (m,), (m, rows) or (m, rows, columns)."""
    cdef cnp.npy_intp[3] shape
    shape[0], shape[1], shape[2] = m, rows, columns
    return cnp.PyArray_EMPTY(ndim, shape, kind, 0)


cdef inline cnp.ndarray records(cnp.npy_intp m, intptr_t words, cnp.ndarray data):
    """The addresses (m,) of m records of so many words, which stand behind them.

    They keep the records alive, and data (m,), the addresses of what the records are made of, with what that keeps.
    """
    cdef cnp.ndarray memory = empty(cnp.NPY_UINTP, 2, m, 1 + words)
    cdef size_t* address = <size_t*> cnp.PyArray_DATA(memory)
    cdef cnp.ndarray result = cnp.PyArray_SimpleNewFromData(1, &m, cnp.NPY_UINTP, address)
    cdef intptr_t i
    cnp.set_array_base(result, (memory, data))
    for i in range(m):
        address[i] = <size_t> (address + m + i * words)
    return result
