"""Our AdamW against torch.optim.AdamW: 100 steps with weight decay, clipping
by the global norm and a changing learning rate.

    python tests/oracle_adamw.py BUILD
"""

import pathlib
import subprocess
import sys

import torch

SIZE, STEPS, BOUND = 24, 100, 1e-5
build = pathlib.Path(sys.argv[1])
passed = failed = 0

w = torch.tensor([(i - 12) / 8 for i in range(SIZE)], requires_grad=True)
b = torch.tensor([i % 5 / 4 for i in range(SIZE)], requires_grad=True)
target = torch.tensor([i % 7 / 2 for i in range(SIZE)])
optimizer = torch.optim.AdamW(
    [{"params": [w], "weight_decay": 0.1}, {"params": [b], "weight_decay": 0}],
    lr=0.05, betas=(0.9, 0.95), eps=1e-8)

lines = subprocess.run([build / "tests/tool_adamw"], capture_output=True,
                       text=True, check=True).stdout.splitlines()
ours = {int(line.split()[0]): torch.tensor([float(x)
                                            for x in line.split()[1:]])
        for line in lines}
worst = 0.0
for step in range(STEPS):
    for group in optimizer.param_groups:
        group["lr"] = 0.05 / (1 + step // 10)
    optimizer.zero_grad()
    loss = (((w * w - target) ** 2).sum() + ((b - w) ** 2).sum())
    loss.backward()
    torch.nn.utils.clip_grad_norm_([w, b], 2.0)
    optimizer.step()
    if (step + 1) % 10 == 0:
        theirs = torch.cat([w.detach(), b.detach()])
        apart = float((ours[step + 1] - theirs).abs().max() /
                      theirs.abs().max())
        worst = max(worst, apart)
        if apart <= BOUND:
            passed += 1
        else:
            failed += 1
            print(f"step {step + 1}: weights apart by {apart:.1e}")
print(f"AdamW: 100 steps, at most {worst:.1e} apart")
print(f"{'oracle_adamw':28} {passed} passed, {failed} failed")
sys.exit(failed != 0)
