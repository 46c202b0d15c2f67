# Tables of data, each (rows, columns), laid one after the other: sizes, then the numbers, row by row.
cimport numpy as cnp
from libc.stdint cimport intptr_t
from libc.string cimport memcpy

from l2o._kernels.base._arrays cimport counts, doubles

cnp.import_array()

cdef enum:
    HEADER = 2                                                 # rows, columns


def is_table(object given):
    """Whether something is an array (rows, columns) that `pack` can copy as it stands: no subclass, which may mask."""
    return (type(given) is cnp.ndarray and cnp.PyArray_NDIM(given) == 2 and cnp.PyArray_TYPE(given) == cnp.NPY_DOUBLE
            and cnp.PyArray_ISCARRAY_RO(given))


def measure(list tables not None, cnp.ndarray offsets not None):
    """Fill offsets (m + 1,): the block of table i goes from offsets[i] to offsets[i + 1]. Whether all are of a size."""
    cdef intptr_t m = len(tables), i
    cdef intptr_t* offset = counts(offsets, m + 1)
    cdef cnp.ndarray table
    cdef bint alike = True
    offset[0] = 0
    for i in range(m):
        table = tables[i]
        offset[i + 1] = offset[i] + HEADER + cnp.PyArray_SIZE(table)
        alike = alike and offset[i + 1] - offset[i] == offset[1]
    return alike


def pack(list tables not None, cnp.ndarray offsets not None, cnp.ndarray memory not None):
    """Write the blocks of tables to memory (offsets[m],)."""
    cdef intptr_t m = len(tables), i
    cdef const intptr_t* offset = counts(offsets, m + 1)
    cdef double* block = doubles(memory, offset[m])
    cdef cnp.ndarray table
    for i in range(m):
        table = tables[i]
        if not is_table(table) or offset[i + 1] - offset[i] != HEADER + cnp.PyArray_SIZE(table):
            raise ValueError(f"table {i} has shape {(<object> table).shape} and dtype {table.dtype}; expected one of "
                             "those measured")
        block = doubles(memory, offset[m]) + offset[i]
        block[0], block[1] = cnp.PyArray_DIM(table, 0), cnp.PyArray_DIM(table, 1)
        memcpy(block + HEADER, cnp.PyArray_DATA(table), cnp.PyArray_SIZE(table) * sizeof(double))


def pack_array(cnp.ndarray data not None, cnp.ndarray memory not None):
    """Write the blocks of the tables of an array (m, rows, columns) to memory (m, 2 + rows columns)."""
    cdef intptr_t m = cnp.PyArray_DIM(data, 0), rows = cnp.PyArray_DIM(data, 1), columns = cnp.PyArray_DIM(data, 2)
    cdef intptr_t size = rows * columns, i
    cdef const double* tables = doubles(data, m * size)
    cdef double* blocks = doubles(memory, m * (HEADER + size))
    cdef double* block
    for i in range(m):
        block = blocks + i * (HEADER + size)
        block[0], block[1] = rows, columns
        memcpy(block + HEADER, tables + i * size, size * sizeof(double))
