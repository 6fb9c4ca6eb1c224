package worker_test

import (
	"encoding/json"
	"testing"

	"parley/internal/jobspec"
	"parley/internal/testkit"
	"parley/worker"
	"parley/worker/model"
	"parley/worker/pipeline"
)

func TestWorker_RunsARealModelBehindTheQueue(t *testing.T) {
	t.Parallel()
	models, err := model.Open(t.Context(), testkit.Shared(t, "models", "translate-mini"), pipeline.Options{Library: testkit.ONNX(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = models.Close() })
	bundle := models.Handlers()[0].Bundle()
	if len(bundle.Directions) == 0 {
		t.Fatal("the model has no directions")
	}
	b := setup(t)
	w, stop := b.start(worker.Config{Handlers: models.Handlers()})
	defer stop()
	request := func(run, text string, d jobspec.Direction) jobspec.Job {
		payload, err := json.Marshal(jobspec.Translate{Text: text, Source: d.Source, Target: d.Target})
		if err != nil {
			t.Fatal(err)
		}
		j := job(run)
		j.Pool, j.Payload = bundle.Pool, payload
		return j
	}
	b.publish(request("good", "The house is small.", bundle.Directions[0]))
	var out jobspec.Translated
	if err := json.Unmarshal(b.expect("good", jobspec.ResultStarted, jobspec.ResultDone).Payload, &out); err != nil ||
		out.Text == "" || out.Model != bundle.Name {
		t.Errorf("translated to %+v, %v", out, err)
	}
	b.publish(request("strange", "The house is small.", jobspec.Direction{Source: "en", Target: "tlh"}))
	f := b.expect("strange", jobspec.ResultStarted, jobspec.ResultFailed).Failure
	if f.Code != jobspec.CodeUnsupportedLanguage || f.Message == "" {
		t.Errorf("a language that the model does not have: %+v", f)
	}
	b.drained()
	if s := w.Stats(); s.Done != 1 || s.Failed != 1 {
		t.Errorf("counted %+v", s)
	}
}
