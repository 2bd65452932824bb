"""SGLang's simulator with symsim's times: its scheduler and its caches run, and no GPU does.

`sglang_simulator` (tools/sglang-simulator of sgl-project/sglang, pull request 33824) asks a predictor for the seconds
of every batch: `predict_infer_time(batch)`. A request of a batch has `extend_length`, its new tokens, and
`past_kv_length`, those in the cache. Where the simulator is not installed the same
predictor answers for batches of that shape.
"""

from dataclasses import dataclass, field

import symsim

try:
    from sglang_simulator.simulation.manager.config import ConfigManager
    from sglang_simulator.time_predictor.base import InferTimePredictor, ScheduleBatch, ScheduleRequest
except ImportError:
    ConfigManager = None

    class InferTimePredictor:
        def __init__(self, model, hw, config):
            self.model, self.hw, self.config = model, hw, config

    @dataclass
    class ScheduleRequest:
        extend_length: int = 0
        past_kv_length: int = 0

    @dataclass
    class ScheduleBatch:
        reqs: list = field(default_factory=list)


class SymsimTimePredictor(InferTimePredictor):
    """Seconds of a batch by the closed form of one model on one device."""

    def __init__(self, model, hw, config):
        super().__init__(model, hw, config)
        costs = symsim.compile("qwen3-8b", "h100", symsim.Deployment(tp=1), cost_model="roofline")
        self.seconds = costs.iteration_time().function

    def predict_infer_time(self, batch):
        if not batch.reqs:
            return 0.0
        tokens = contexts = pairs = rows = 0
        for request in batch.reqs:
            new, past = request.extend_length, request.past_kv_length
            tokens += new
            if new == 1 and past:
                rows += 1
                contexts += past + 1
            else:
                pairs += new * past + new * (new + 1) // 2
        return self.seconds(tokens, contexts, pairs, rows)


if ConfigManager is not None:  # what the simulator asks for when it starts
    ConfigManager.get_inference_time_predictor = classmethod(lambda cls, *words: SymsimTimePredictor(*words))

predictor = SymsimTimePredictor(None, None, None)
decodes = [ScheduleRequest(1, 2000 + 10 * i) for i in range(64)]
prompt = ScheduleRequest(1024, 512)
for name, requests in (("64 decodes", decodes), ("a prompt", [prompt]), ("both", [*decodes, prompt])):
    print(f"{name}: {1e3 * predictor.predict_infer_time(ScheduleBatch(requests)):.2f} ms")
