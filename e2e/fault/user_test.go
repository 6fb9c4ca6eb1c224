package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"parley/e2e/gqlclient"
)

const password = "correct horse battery staple"

// user is somebody who signed up; the client talks through the proxy.
type user struct {
	*gqlclient.Client
	id, email string
}

var users atomic.Int64

// signUp makes a user at a server.
func signUp(t testing.TB, url string) *user {
	t.Helper()
	u := &user{Client: &gqlclient.Client{URL: url}, email: fmt.Sprintf("fault-%d@example.org", users.Add(1))}
	var got struct {
		SignUp struct {
			AccessToken string
			Viewer      struct{ ID string }
		}
	}
	u.Must(t, `mutation($i: SignUpInput!) { signUp(input: $i) { accessToken viewer { id } } }`,
		gqlclient.Vars{"i": gqlclient.Vars{"email": u.email, "password": password}}, &got)
	u.Token, u.id = got.SignUp.AccessToken, got.SignUp.Viewer.ID
	return u
}

// session signs in once more and gives the token.
func (u *user) session(t testing.TB) string {
	t.Helper()
	var got struct{ SignIn struct{ AccessToken string } }
	u.Must(t, `mutation($i: SignInInput!) { signIn(input: $i) { accessToken } }`,
		gqlclient.Vars{"i": gqlclient.Vars{"email": u.email, "password": password}}, &got)
	return got.SignIn.AccessToken
}

// at gives the user's client at another address, with connections of its own.
func (u *user) at(url string) *user {
	other := *u
	client := *u.Client
	client.URL = url
	client.HTTP = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: 15 * time.Second}
	other.Client = &client
	return &other
}

// unlucky are the errors after which the same call is worth another try while
// servers come and go.
var unlucky = map[string]bool{"UNAVAILABLE": true, "TIMEOUT": true, "RATE_LIMITED": true}

// insist sends an operation again and again until it is answered, and gives the
// number of tries that were in vain.
func (u *user) insist(ctx context.Context, query string, vars gqlclient.Vars, into any) (vain int, err error) {
	ctx, cancel := context.WithTimeout(ctx, gqlclient.Patience)
	defer cancel()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return vain, errors.Join(ctx.Err(), err)
		}
		var r *gqlclient.Response
		r, err = u.Do(ctx, query, vars)
		if err == nil {
			if r.Code() == "" && r.Data != nil {
				return vain, json.Unmarshal(r.Data, into)
			}
			err = fmt.Errorf("status %d: %w", r.Status, r.Err())
			if r.Code() != "" && !unlucky[r.Code()] {
				return vain, err
			}
		}
		vain++
		pause.Reset(50 * time.Millisecond)
	}
}

// createNote makes a note.
func (u *user) createNote(ctx context.Context, text string) (id string, vain int, err error) {
	var got struct {
		CreateNote struct{ Note struct{ ID string } }
	}
	vain, err = u.insist(ctx, `mutation($i: CreateNoteInput!) { createNote(input: $i) { note { id } } }`,
		gqlclient.Vars{"i": gqlclient.Vars{"title": "A note", "text": text, "language": "en"}}, &got)
	return got.CreateNote.Note.ID, vain, err
}

// retitle edits a note.
func (u *user) retitle(ctx context.Context, note, title string) (vain int, err error) {
	var got struct{}
	return u.insist(ctx, `mutation($i: UpdateNoteInput!) { updateNote(input: $i) { note { id } } }`,
		gqlclient.Vars{"i": gqlclient.Vars{"id": note, "title": title}}, &got)
}

// translate asks for Spanish. The key makes a call that is sent again the same
// call.
func (u *user) translate(ctx context.Context, note, key string) (job string, vain int, err error) {
	var got struct {
		TranslateNote struct{ Jobs []struct{ ID string } }
	}
	vain, err = u.insist(ctx, `mutation($i: TranslateNoteInput!) { translateNote(input: $i) { jobs { id } } }`,
		gqlclient.Vars{"i": gqlclient.Vars{"noteId": note, "languages": []string{"es"}, "idempotencyKey": key}}, &got)
	if err == nil && len(got.TranslateNote.Jobs) != 1 {
		err = fmt.Errorf("translateNote gave %+v", got)
	}
	if err != nil {
		return "", vain, err
	}
	return got.TranslateNote.Jobs[0].ID, vain, nil
}
