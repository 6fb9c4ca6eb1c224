package folder

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"parley/internal/jobspec"
	"parley/worker"
	"parley/worker/bundle"
	"parley/worker/hub"
)

// puller is the handler of pulls into the folder.
type puller struct{ *Folder }

// Bundle implements worker.Handler.
func (p puller) Bundle() jobspec.Bundle { return p.capability(jobspec.KindPullModel) }

// Handle implements worker.Handler: a jobspec.PullModel becomes a
// jobspec.FolderChanged. The share that is done is that of the bytes. An attempt that was
// cut off left its files, and the next one goes on from there.
func (p puller) Handle(ctx context.Context, t worker.Task, progress func(float64, string)) (json.RawMessage, error) {
	in, err := worker.Decode[jobspec.PullModel](t.Payload)
	if err != nil {
		return nil, err
	}
	if err := p.own(in.Folder); err != nil {
		return nil, err
	}
	_, err = hub.Pull(ctx, p.options(in, func(at hub.Progress) {
		if at.Total > 0 {
			progress(float64(at.Completed)/float64(at.Total), "")
		}
	}))
	if errors.Is(err, hub.ErrExists) && (t.Alone || t.Attempt > 1) && p.pulled(in) {
		// An attempt before this one did it, and did not live to tell.
		err = nil
	}
	if err != nil {
		return nil, failure(ctx, err)
	}
	return worker.Encode(p.changed(ctx))
}

// pulled tells whether the bundle is there and comes from where it was to be pulled from.
func (p puller) pulled(in jobspec.PullModel) bool {
	b, err := bundle.Open(p.path(in.Name))
	if err != nil {
		return false
	}
	m, err := b.Manifest()
	return err == nil && m.Source != nil && m.Source.Repository == in.Repository
}

// remover is the handler of removals from the folder.
type remover struct{ *Folder }

// Bundle implements worker.Handler.
func (r remover) Bundle() jobspec.Bundle { return r.capability(jobspec.KindRemoveModel) }

// Handle implements worker.Handler: a jobspec.RemoveModel becomes a
// jobspec.FolderChanged. What is gone already is no failure: an earlier attempt may
// have removed it.
func (r remover) Handle(ctx context.Context, t worker.Task, _ func(float64, string)) (json.RawMessage, error) {
	in, err := worker.Decode[jobspec.RemoveModel](t.Payload)
	if err != nil {
		return nil, err
	}
	if err := r.own(in.Folder); err != nil {
		return nil, err
	}
	if err := hub.Remove(r.Models, in.Name); err != nil && !errors.Is(err, hub.ErrMissing) {
		return nil, failure(ctx, err)
	}
	return worker.Encode(r.changed(ctx))
}

// capability is what the worker announces of a kind of work on the folder.
func (f *Folder) capability(kind string) jobspec.Bundle {
	return jobspec.Bundle{Name: "models folder " + f.id, Kind: kind, Pool: jobspec.FolderPool(f.id)}
}

// own refuses work on another folder.
func (f *Folder) own(id string) error {
	if id != f.id {
		return &worker.Error{Code: jobspec.CodeInvalidInput, Message: "The work is for another models folder."}
	}
	return nil
}

func split(repository string) (owner, name string) {
	owner, name, _ = strings.Cut(repository, "/")
	return owner, name
}

// codes are those of the hub's failures.
var codes = []struct {
	is   error
	code jobspec.Code
}{
	{hub.ErrRequest, jobspec.CodeInvalidInput},
	{hub.ErrUnsuitable, jobspec.CodeInvalidInput},
	{hub.ErrBound, jobspec.CodeInvalidInput},
	{hub.ErrExists, jobspec.CodeModelExists},
	{hub.ErrBusy, jobspec.CodeModelBusy},
	{hub.ErrMissing, jobspec.CodeSourceMissing},
	{hub.ErrDenied, jobspec.CodeSourceDenied},
	{hub.ErrUntrusted, jobspec.CodeSourceUntrusted},
	{hub.ErrSpace, jobspec.CodeNoSpace},
	{hub.ErrUnreachable, jobspec.CodeSourceUnreachable},
}

// failure gives the hub's failure its code, with the sentence that the command line
// shows. What is the machine's own matter stays in the log, and the end of ctx stays
// what it is.
func failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	for _, c := range codes {
		if errors.Is(err, c.is) {
			return &worker.Error{Code: c.code, Message: sentence(err), Cause: err}
		}
	}
	return err
}

// sentence begins with a capital and ends with a full stop.
func sentence(err error) string {
	text := strings.TrimSpace(strings.ReplaceAll(err.Error(), "\n", "; "))
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
