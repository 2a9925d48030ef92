"""The script that everybody writes is one spec of ours."""

import torch
from torch import Tensor, nn
from torch.testing import assert_close

from lstm_bench.execute import spec_of
from lstm_bench.meter import Watch
from lstm_bench.model import SequenceModel
from lstm_bench.spec import Value
from lstm_bench.train_state import TrainState
from lstm_bench.training import train
from lstm_bench_tasks.classification.digits import Digits

EPOCHS, HIDDEN, LAYERS = 10, 24, 2
TEXTBOOK: dict[str, Value] = {
    "model.hidden": HIDDEN,
    "model.layers": LAYERS,
    "model.dropout": 0.0,
    "model.biases": "drawn",  # as nn.LSTM draws them
    "train.epochs": EPOCHS,
    "train.batch_size": 10**6,  # more than there are: the whole training split
    "train.eval_every": 1,  # after each epoch
    "train.optimizer": "adamw",
    "train.weight_decay": 0.0,
    "train.lr": 1e-3,
    "train.schedule": "constant",
    "train.warmup": 0,
    "train.clip": 0.0,
    "train.precision": "float32",
}


class Textbook(nn.Module):
    def __init__(self, input_size: int, hidden_size: int, num_layers: int, output_size: int) -> None:
        super().__init__()
        self.hidden_size, self.num_layers = hidden_size, num_layers
        self.lstm = nn.LSTM(input_size, hidden_size, num_layers, batch_first=True)
        self.fc = nn.Linear(hidden_size, output_size)

    def forward(self, x: Tensor) -> Tensor:
        h0, c0 = (torch.zeros(self.num_layers, x.size(0), self.hidden_size) for _ in range(2))
        out, _ = self.lstm(x, (h0, c0))
        answer: Tensor = self.fc(out[:, -1, :])
        return answer


def textbook_of(model: SequenceModel, features: int, classes: int) -> Textbook:
    """The textbook's network with the weights of ours."""
    script = Textbook(features, HIDDEN, LAYERS, classes)
    theirs = {f"fc.{name}": value for name, value in model.head.state_dict().items()}
    for depth, layer in enumerate(model.layers):
        own = layer.state_dict()
        theirs |= {f"lstm.{name.split('.')[-1].replace('l0', f'l{depth}')}": value for name, value in own.items()}
    script.load_state_dict(theirs)
    return script


def test_ten_epochs_of_the_textbook() -> None:
    task = Digits()
    spec, _ = spec_of({"task": "digits"}, TEXTBOOK)
    torch.manual_seed(0)
    model = SequenceModel(task.signature, spec.model)
    script = textbook_of(model, 8, 10)
    (x, y), (valid_x, valid_y) = (
        (part.batch(slice(None)).inputs, part.labels) for part in map(task.parts(0).__getitem__, ("train", "valid"))
    )
    assert_close(model(x)[0], script(x), rtol=0, atol=1e-6)

    criterion, optimizer = nn.CrossEntropyLoss(), torch.optim.Adam(script.parameters(), lr=0.001)
    losses, accuracies = [], []
    for _ in range(EPOCHS):
        script.train()
        optimizer.zero_grad()
        loss = criterion(script(x), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        script.eval()
        with torch.no_grad():
            accuracies.append(float((script(valid_x).argmax(1) == valid_y).float().mean()))

    state = TrainState.fresh(model, spec.train, seed=0, device=torch.device("cpu"))
    readings = list(train(state, task, spec.train, watch=Watch()))
    assert [reading.metrics["progress/epochs"] for reading in readings] == list(range(1, EPOCHS + 1))
    assert_close([reading.metrics["train/loss"] for reading in readings], losses, rtol=0, atol=1e-6)
    assert_close([reading.metrics["valid/accuracy"] for reading in readings], accuracies, rtol=0, atol=1e-6)
    with torch.no_grad():
        assert_close(model(x)[0], script(x), rtol=0, atol=1e-6)
