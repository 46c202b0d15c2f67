"""PyTorch: eager, with the gradient written by hand ("PyTorch") or from autograd.

One run is a chain of small operations, some 2 microseconds each. "prepared" makes every view and buffer beforehand and
calls what writes into them: as few as there can be, and no longer what one would call readable. In the batch the same
operations do many runs, 30 functions at a time.
"""

import torch
from torch.nn.functional import softplus

from benchmarks.speed.peers.work import Peer

torch.set_num_threads(1)

LIBRARY = "torch"
PART = 30  # functions at a time; 5 to 90 were tried
LINEAR = 40.0  # softplus(z) is z from here on, to the last bit; PyTorch's 20 is for single precision


def by_hand(points, columns, ridge, x):
    """Return f (m, s) and g (m, s, d) at x (m, s, d) for points (m, n, d) and columns (m, d, n)."""
    minus = (x @ columns).neg_()
    pull = ridge * x
    f = softplus(minus, threshold=LINEAR).mean(-1).add_((pull * x).sum(-1), alpha=0.5)
    return f, torch.baddbmm(pull, minus.sigmoid_(), points, alpha=-1.0 / points.shape[1])


def by_autograd(points, columns, ridge, x):
    """Return the same."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        f = softplus(-(x @ columns), threshold=LINEAR).mean(-1) + 0.5 * (ridge * x * x).sum(-1)
        (g,) = torch.autograd.grad(f.sum(), x)
    return f.detach(), g


def action(work, weights, changes, gradients):
    """Return the steps (k, d) after objective changes (k, n_changes) and gradients (k, n_gradients d)."""
    (W1, b1, W2, b2), network, n = weights, work.network, changes.shape[1]
    if n < network.history:
        W1 = torch.cat([W1[:n], W1[network.history : network.history + gradients.shape[1]]])
    if work.scaled:
        norms2 = gradients[:, : 3 * len(b2)].reshape(len(gradients), -1, len(b2)).square().sum(-1)
        r = (norms2.amax(1, keepdim=True) + network.scale_floor**2).sqrt_()
        changes = changes / r
    seen = torch.cat([changes, gradients], 1)
    if work.scaled:
        seen /= r
    seen = seen.to(b1.dtype)
    if network.inputs == "scaled":
        seen = seen.abs().add_(1.0).log_().copysign_(seen)
    step = torch.addmm(b2, softplus(torch.addmm(b1, seen, W1), threshold=LINEAR), W2)
    if work.scaled:
        step = r * step
        step *= (network.max_step / step.norm(dim=1, keepdim=True)).clamp_(max=1.0)
    return step


def run(work, weights, objective, points, columns, ridge, x):
    """Return x at the end and f of s runs of each of m functions from x (m, s, d)."""
    H, T, d, k = work.network.history, work.n_steps, x.shape[2], x.shape[0] * x.shape[1]
    F, G = x.new_empty(k, T + 1), x.new_empty(k, (T + 1) * d)
    for now in range(T, -1, -1):
        f, g = objective(points, columns, ridge, x)
        F[:, now] = f.flatten()
        G[:, now * d : (now + 1) * d] = g.view(k, d)
        if now > 0:
            changes = F[:, now : now + 1] - F[:, now + 1 : now + 1 + H]
            x = x + action(work, weights, changes, G[:, now * d : (now + H) * d]).view_as(x)
    return x, F.flip(1).view(*x.shape[:-1], T + 1)


def tensors(work):
    """Return weights, points (m, n, d), columns (m, d, n), ridge and x0 as tensors."""
    points, ridge, x0 = (torch.from_numpy(array) for array in (work.points, work.ridge, work.x0))
    return [torch.from_numpy(array) for array in work.weights], points, points.mT.contiguous(), ridge, x0


def inference(function):
    """Return the function, called in inference mode."""

    def call():
        with torch.inference_mode():
            return function()

    return call


def single(work, objective):
    """Return the call for one run: the batch of one."""
    weights, points, columns, ridge, x0 = tensors(work)

    def call():
        return tuple(part[0, 0] for part in run(work, weights, objective, points[:1], columns[:1], ridge, x0[:1, :1]))

    return call


def prepared(work):
    """Return the call for one run with all views and buffers made beforehand."""
    (W1, b1, W2, b2), points, columns, ridge, x0 = tensors(work)
    H, T, (n, d), network = work.network.history, work.n_steps, points.shape[1:], work.network
    W1, W2, minus_points, mean_columns, x0 = W1.T.contiguous(), W2.T.contiguous(), -points[0], columns[0] / -n, x0[0, 0]
    F, G, x, share = x0.new_zeros(T + 1), x0.new_zeros(T + 1, d), x0.clone(), x0.new_full((n,), 1.0 / n)
    minus, loss, pull, changes = x0.new_empty(n), x0.new_empty(n), x0.new_empty(d), x0.new_zeros(H)
    seen, sizes, hidden, step = b1.new_zeros(H + H * d), b1.new_zeros(H + H * d), b1.clone(), b2.clone()
    views = []
    for now in range(T, -1, -1):
        k, p = min(T - now, H), min(T - now + 1, H)
        views.append((F[now], G[now], F[now + 1 : now + 1 + k], G[now : now + p], G[now : now + min(p, 3)], changes[:k],
                      seen[:k], seen[H : H + p * d].view(p, d)))

    def call():
        x.copy_(x0)
        for f, g, others, gradients, newest, changes, seen_changes, seen_gradients in views:
            torch.mv(minus_points, x, out=minus)
            torch.mul(ridge, x, out=pull)
            torch._C._nn.softplus(minus, 1, LINEAR, out=loss)
            torch.dot(loss, share, out=f)
            f.add_(torch.dot(pull, x), alpha=0.5)
            torch.addmv(pull, mean_columns, minus.sigmoid_(), out=g)
            if f is views[-1][0]:
                break
            torch.sub(f, others, out=changes)
            if work.scaled:
                r = newest.square().sum(1).amax().add_(network.scale_floor**2).sqrt_()
                torch.div(changes, r * r, out=seen_changes)
                torch.div(gradients, r, out=seen_gradients)
            else:
                seen_changes.copy_(changes)
                seen_gradients.copy_(gradients)
            if network.inputs == "scaled":
                torch.abs(seen, out=sizes)
                torch.copysign(sizes.add_(1.0).log_(), seen, out=seen)
            torch.addmv(b1, W1, seen, out=hidden)
            torch._C._nn.softplus(hidden, 1, LINEAR, out=hidden)
            torch.addmv(b2, W2, hidden, out=step)
            if work.scaled:
                scaled = r * step
                x.add_(scaled.mul_((network.max_step / scaled.norm()).clamp_(max=1.0)))
            else:
                x.add_(step)
        return x.clone(), F.flip(0)

    return call


def batch(work, objective):
    """Return the call for all runs."""
    weights, points, columns, ridge, x0 = tensors(work)

    def call():
        parts = zip(*(array.split(PART) for array in (points, columns, x0)))
        ends = [run(work, weights, objective, points, columns, ridge, x0) for points, columns, x0 in parts]
        return tuple(torch.cat(column) for column in zip(*ends))

    return call


PEERS = {
    "PyTorch": Peer(lambda work: inference(single(work, by_hand)), None, lambda work: inference(batch(work, by_hand))),
    "PyTorch, prepared": Peer(lambda work: inference(prepared(work)), None, None),
    "PyTorch, autograd": Peer(lambda work: single(work, by_autograd), None, lambda work: batch(work, by_autograd)),
}
