"""One recurrent layer a file.

A cell is an `nn.Module` made as `Cell(inputs, hidden, forget_bias=...)`; its
`forward(x_BTF, state) -> (y_BTH, state)` takes the whole sequence, so that fused kernels stay possible.
The state is a tuple of [B, H] parts; None stands for zeros.
"""
