// Linear algebra: elimination and reflections, a column at a time.
#include "rushlight/onnx/export_texts.h"

namespace rushlight::onnx {

const char* const kLinalgTexts = R"py(
def _eliminated(A: Any, B: Any):
    n = A.size(-1)
    rows = torch.arange(n)
    M = torch.cat([A, B], -1)
    for k in range(n):
        free = torch.where(rows < k, torch.full_like(rows, -1).to(A.dtype), M.select(-1, k).abs())
        best = free.argmax(-1, True)
        at = torch.where(rows == k, best, torch.where(rows == best, k, rows))
        M = torch.gather(M, -2, at.unsqueeze(-1).expand_as(M))
        row = M.narrow(-2, k, 1)
        row = row / row.narrow(-1, k, 1)
        M = torch.where((rows == k).unsqueeze(-1), row, M - M.narrow(-1, k, 1) * row)
    return M.narrow(-1, n, B.size(-1))

def _solved(A: Any, B: Any, left: Any = True):
    a = A if left else A.transpose(-1, -2)
    b = B if left else B.transpose(-1, -2)
    x = _eliminated(a + 0 * b.narrow(-1, 0, 1), b + 0 * a.narrow(-1, 0, 1))
    return x if left else x.transpose(-1, -2)

def linalg_inv(A: Any):
    return _eliminated(A, torch.eye(A.size(-1), dtype=A.dtype).expand_as(A))

def inverse(self: Any):
    return torch.linalg.inv(self)

def linalg_inv_ex(A: Any, check_errors: Any = False):
    x = _eliminated(A, torch.eye(A.size(-1), dtype=A.dtype).expand_as(A))
    return x, torch.zeros_like(x.select(-1, 0).select(-1, 0), dtype=torch.int32)

def linalg_solve(A: Any, B: Any, left: Any = True):
    line = B.dim() == 1 or (B.dim() == A.dim() - 1 and B.size() == A.size()[:-1])
    if line:
        return _solved(A, B.unsqueeze(-1)).select(-1, 0)
    return _solved(A, B, left)

def _linalg_solve_ex(A: Any, B: Any, left: Any = True, check_errors: Any = False):
    x = torch.linalg.solve(A, B, left=left)
    return x, x, x, x

def linalg_solve_triangular(self: Any, B: Any, upper: Any, left: Any = True, unitriangular: Any = False):
    A = torch.triu(self) if upper else torch.tril(self)
    if unitriangular:
        one = torch.eye(A.size(-1), dtype=A.dtype)
        A = A * (1 - one) + one
    return _solved(A, B, left)

def triangular_solve(self: Any, A: Any, upper: Any = True, transpose: Any = False, unitriangular: Any = False):
    if transpose:
        return torch.linalg.solve_triangular(A.transpose(-1, -2), self, upper=not upper, unitriangular=unitriangular), A
    return torch.linalg.solve_triangular(A, self, upper=upper, unitriangular=unitriangular), A

def cholesky_solve(self: Any, input2: Any, upper: Any = False):
    L = input2.transpose(-1, -2) if upper else input2
    y = torch.linalg.solve_triangular(L, self, upper=False)
    return torch.linalg.solve_triangular(L.transpose(-1, -2), y, upper=True)

def cholesky_inverse(self: Any, upper: Any = False):
    return torch.cholesky_solve(torch.eye(self.size(-1), dtype=self.dtype).expand_as(self), self, upper)

def linalg_cholesky(self: Any, upper: Any = False):
    return torch.linalg.cholesky_ex(self, upper=upper)[0]

def cholesky(self: Any, upper: Any = False):
    return torch.linalg.cholesky_ex(self, upper=upper)[0]

def linalg_cholesky_ex(self: Any, upper: Any = False, check_errors: Any = False):
    n = self.size(-1)
    rows = torch.arange(n)
    rest = self.transpose(-1, -2) if upper else self
    L = torch.zeros_like(self)
    for k in range(n):
        column = rest.narrow(-1, k, 1)
        column = torch.where((rows < k).unsqueeze(-1), torch.zeros_like(column), column / torch.sqrt(column.narrow(-2, k, 1)))
        L = torch.where(rows == k, column, L)
        rest = rest - torch.matmul(column, column.transpose(-1, -2))
    info = torch.zeros_like(self.select(-1, 0).select(-1, 0), dtype=torch.int32)
    if upper:
        return L.transpose(-1, -2), info
    return L, info

def _linalg_slogdet(A: Any):
    d = torch.det(A)
    return torch.sign(d), torch.log(torch.abs(d)), d, d

def _reflected(A: Any):
    # LAPACK's geqrf: what is left of A, the vectors as columns, their factors, and the product of the reflections.
    least = min(A.size(-2), A.size(-1))
    rows = torch.arange(A.size(-2)).unsqueeze(-1)
    columns = torch.arange(least)
    R = A
    V = torch.zeros_like(A.narrow(-1, 0, least))
    tau = torch.zeros_like(V.narrow(-2, 0, 1))
    Q = torch.eye(A.size(-2), dtype=A.dtype) + torch.zeros_like(A.narrow(-1, 0, 1))
    for k in range(least):
        column = R.narrow(-1, k, 1)
        pivot = column.narrow(-2, k, 1)
        below = torch.where(rows > k, column, torch.zeros_like(column))
        rest = torch.sqrt((below * below).sum([-2], True))
        length = torch.sqrt(pivot * pivot + rest * rest)
        done = rest == 0
        beta = torch.where(done, torch.ones_like(pivot), torch.where(pivot >= 0, -length, length))
        v = below / torch.where(done, beta, pivot - beta) + (rows == k).to(A.dtype)
        factor = torch.where(done, torch.zeros_like(pivot), (beta - pivot) / beta)
        R = R - torch.matmul(factor * v, torch.matmul(v.transpose(-1, -2), R))
        Q = Q - torch.matmul(torch.matmul(Q, factor * v), v.transpose(-1, -2))
        V = torch.where(columns == k, v, V)
        tau = torch.where(columns == k, factor, tau)
    return torch.triu(R), V, tau.squeeze(-2), Q

def linalg_qr(A: Any, mode: Any = "reduced"):
    R, _, _, Q = _reflected(A)
    least = min(A.size(-2), A.size(-1))
    if mode == "complete":
        return Q, R
    if mode == "r":
        return torch.zeros([0], dtype=A.dtype), R.narrow(-2, 0, least)
    return Q.narrow(-1, 0, least), R.narrow(-2, 0, least)

def geqrf(self: Any):
    R, V, tau, _ = _reflected(self)
    n, least = self.size(-1), V.size(-1)
    V = torch.tril(V, -1)
    if n > least:
        V = torch.cat([V, torch.zeros_like(R.narrow(-1, 0, n - least))], -1)
    return R + V, tau

def _product_of_reflections(V: Any, tau: Any):
    m, count = V.size(-2), tau.size(-1)
    rows = torch.arange(m).unsqueeze(-1)
    Q = torch.eye(m, dtype=V.dtype) + torch.zeros_like(V.narrow(-1, 0, 1))
    for k in range(count):
        column = V.narrow(-1, k, 1)
        v = torch.where(rows > k, column, torch.zeros_like(column)) + (rows == k).to(V.dtype)
        Q = Q - torch.matmul(torch.matmul(Q, v) * tau.narrow(-1, k, 1).unsqueeze(-1), v.transpose(-1, -2))
    return Q

def linalg_householder_product(input: Any, tau: Any):
    return _product_of_reflections(input, tau).narrow(-1, 0, input.size(-1))

def ormqr(self: Any, input2: Any, input3: Any, left: Any = True, transpose: Any = False):
    Q = _product_of_reflections(self, input2)
    if transpose:
        Q = Q.transpose(-1, -2)
    return torch.matmul(Q, input3) if left else torch.matmul(input3, Q)

def linalg_lu_factor_ex(A: Any, pivot: Any = True, check_errors: Any = False):
    m, n = A.size(-2), A.size(-1)
    rows, columns, least = torch.arange(m).unsqueeze(-1), torch.arange(n), min(m, n)
    LU = A
    pivots = torch.zeros_like(A.narrow(-2, 0, 1).narrow(-1, 0, least), dtype=torch.int64)
    for k in range(least):
        here = LU.narrow(-2, k, 1)
        place = torch.zeros_like(here.narrow(-1, 0, 1), dtype=torch.int64) + k
        if pivot:
            size = torch.where(rows >= k, torch.abs(LU.narrow(-1, k, 1)), torch.full_like(LU.narrow(-1, k, 1), -1.0))
            place = torch.argmax(size, -2, True)
        chosen = torch.where(rows == place, LU, torch.zeros_like(LU)).sum([-2], True)
        LU = torch.where(rows == k, chosen, torch.where(rows == place, here, LU))
        top = chosen.narrow(-1, k, 1)
        factor = LU.narrow(-1, k, 1) / torch.where(top == 0, torch.ones_like(top), top)
        factor = torch.where(rows > k, factor, torch.zeros_like(factor))
        LU = torch.where((rows > k) & (columns == k), factor, LU - torch.where(columns > k, factor * chosen, torch.zeros_like(LU)))
        pivots = torch.where(torch.arange(least) == k, place + 1, pivots)
    return LU, pivots.squeeze(-2).to(torch.int32), torch.zeros_like(A.select(-1, 0).select(-1, 0), dtype=torch.int32)

def _lu_rows(pivots: Any, m: Any):
    at = torch.arange(m)
    rows = at + torch.zeros_like(pivots.narrow(-1, 0, 1), dtype=torch.int64)
    for k in range(pivots.size(-1)):
        place = pivots.narrow(-1, k, 1).long() - 1
        chosen = torch.where(at == place, rows, torch.zeros_like(rows)).sum([-1], True)
        rows = torch.where(at == k, chosen, torch.where(at == place, rows.narrow(-1, k, 1), rows))
    return rows

def linalg_lu_solve(LU: Any, pivots: Any, B: Any, left: Any = True, adjoint: Any = False):
    b = B if left else B.transpose(-1, -2)
    transposed = adjoint if left else not adjoint
    b = b + 0 * LU.narrow(-1, 0, 1)
    n = LU.size(-1)
    order = torch._lu_rows(pivots, n)
    moves = (order.unsqueeze(-1) == torch.arange(n)).to(LU.dtype)
    if transposed:
        y = torch.linalg.solve_triangular(LU.transpose(-1, -2), b, upper=False)
        y = torch.linalg.solve_triangular(LU.transpose(-1, -2), y, upper=True, unitriangular=True)
        x = torch.matmul(moves.transpose(-1, -2), y)
    else:
        y = torch.linalg.solve_triangular(LU, torch.matmul(moves, b), upper=False, unitriangular=True)
        x = torch.linalg.solve_triangular(LU, y, upper=True)
    return x if left else x.transpose(-1, -2)

def linalg_matrix_exp(self: Any):
    norm = torch.amax(torch.abs(self).sum([-1]))
    halvings = int(torch.ceil(torch.log2(torch.clamp(norm, min=0.25)))) + 2
    x = self * torch.pow(0.5, float(halvings) * torch.ones_like(norm))
    one = torch.eye(self.size(-1), dtype=self.dtype)
    y = one + x / 12.0
    for k in range(11):
        y = one + torch.matmul(x, y) / float(11 - k)
    for _ in range(halvings):
        y = torch.matmul(y, y)
    return y
)py";

}  // namespace rushlight::onnx
