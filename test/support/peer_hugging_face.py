"""A tiny language model in Hugging Face's Trainer as a peer of its own. Arguments: topology, id, steps, experiment, folder."""

import json
import sys

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

from murmuration import PeerFailed
from murmuration.integrations.hugging_face import MurmurationCallback

topology, peer_id, steps, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[5]
torch.set_num_threads(1)
torch.manual_seed(1)
config = GPT2Config(vocab_size=17, n_positions=16, n_embd=16, n_layer=1, n_head=2, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0)
model = GPT2LMHeadModel(config)
tokens = (torch.arange(16) * (peer_id + 1)) % 17
dataset = [{"input_ids": tokens.roll(k), "labels": tokens.roll(k)} for k in range(16)]
callback = MurmurationCallback(topology=topology, id=peer_id, experiment=json.loads(sys.argv[4]))
arguments = TrainingArguments(
    output_dir=folder,
    max_steps=steps,
    per_device_train_batch_size=4,
    gradient_accumulation_steps=2,
    learning_rate=1e-2,
    use_cpu=True,
    report_to=[],
    save_strategy="no",
    logging_strategy="no",
    disable_tqdm=True,
)
trainer = Trainer(model=model, args=arguments, train_dataset=dataset, callbacks=[callback])
try:
    trainer.train()
except PeerFailed as error:
    print(json.dumps({"error": str(error)}))
else:
    trainer.save_model(folder)
    again = GPT2LMHeadModel.from_pretrained(folder)
    pairs = zip(model.parameters(), again.parameters())
    is_same = all(torch.equal(a, b) for a, b in pairs)
    weights = [p.detach().reshape(-1)[:2].tolist() for p in model.parameters()]
    print(json.dumps({"steps": trainer.state.global_step, "is_same": is_same, "weights": weights}))
