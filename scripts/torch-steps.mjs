// Training steps of our models in PyTorch, for scripts that compare times. python3, or PYTHON=/path/to/python3, needs torch.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Examples of a step. */
export const BATCH = 32;
/** Of the group normalisation in ResNet-20. */
export const GROUPS = 8;
export const CLASSES = 10;

const TORCH = `
import sys, time
import torch, torch.nn as nn, torch.nn.functional as F
torch.set_num_threads(1)
torch.manual_seed(1)
device = sys.argv[1]
if device == 'cuda':
    torch.zeros(1, device='cuda')
    def now():
        torch.cuda.synchronize()
        return time.perf_counter()
else:
    now = time.process_time
class Block(nn.Module):
    def __init__(self, i, o, s):
        super().__init__()
        self.a, self.b = nn.Conv2d(i, o, 3, s, 1, bias=False), nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.m, self.n = nn.GroupNorm(${GROUPS}, o), nn.GroupNorm(${GROUPS}, o)
        self.c = nn.Sequential(nn.Conv2d(i, o, 1, s, bias=False), nn.GroupNorm(${GROUPS}, o)) if s == 2 else nn.Identity()
    def forward(self, x):
        return F.relu(self.n(self.b(F.relu(self.m(self.a(x))))) + self.c(x))
def resnet20():
    parts, i = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.GroupNorm(${GROUPS}, 16), nn.ReLU()], 16
    for k, o in enumerate([16, 32, 64]):
        for b in range(3):
            parts.append(Block(i, o, 2 if k > 0 and b == 0 else 1)); i = o
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
def cnn():
    return nn.Sequential(nn.Conv2d(1, 16, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1568, 10))
def mlp():
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
shapes = {'mlp': (784,), 'cnn': (1, 28, 28), 'resnet20': (3, 32, 32)}
models = {}
print(torch.__version__, flush=True)
for line in sys.stdin:
    name, steps = line.split()
    if name not in models:
        m = globals()[name]().to(device)
        x, y = torch.rand(${BATCH}, *shapes[name]), torch.arange(${BATCH}) % 10
        models[name] = (m, torch.optim.SGD(m.parameters(), lr=0.01), x.to(device), y.to(device))
    m, o, x, y = models[name]
    times = []
    for _ in range(int(steps)):
        t = now()
        o.zero_grad(); F.cross_entropy(m(x), y).backward(); o.step()
        times.append((now() - t) * 1e3)
    print(' '.join(str(t) for t in times), flush=True)
`;

/**
 * A function that runs steps of a workload in PyTorch and returns their times in ms; undefined without torch, or without the device.
 *
 * @param device "cpu", on one thread and in processor time, or "cuda", in wall time
 */
export async function startTorch(device = "cpu") {
  const python = spawn(process.env.PYTHON ?? "python3", ["-c", TORCH, device], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  python.on("error", () => {});
  python.stdin.on("error", () => {});
  const lines = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done) return undefined;
  return {
    version: first.value,
    async run(name, steps) {
      python.stdin.write(`${name} ${steps}\n`);
      return (await lines.next()).value.split(" ").map(Number);
    },
    stop: () => python.stdin.end(),
  };
}
