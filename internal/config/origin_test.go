package config

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestOriginsGovernWhichPagesMayCall(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		origins Origins
		origin  string
		want    bool
	}{
		{nil, "", true}, // no page: curl, a server, a native app
		{nil, "http://parley.example.com", true},
		{nil, "https://parley.example.com", true}, // behind a TLS proxy
		{nil, "https://PARLEY.example.com", true},
		{nil, "http://parley.example.com:81", false},
		{nil, "http://evil.example.com", false},
		{nil, "null", false},
		{Origins{"*"}, "null", true},
		{Origins{"*"}, "http://evil.example.com", true},
		{Origins{"https://a.example.com"}, "https://a.example.com", true},
		{Origins{"https://a.example.com"}, "HTTPS://A.example.com", true},
		{Origins{"https://a.example.com"}, "http://a.example.com", false},
		{Origins{"https://a.example.com"}, "https://a.example.com:8443", false},
		{Origins{"https://a.example.com"}, "https://a.example.com.evil.com", false},
		{Origins{"https://a.example.com"}, "https://xa.example.com", false},
		{Origins{"http://localhost:*"}, "http://localhost:3000", true},
		{Origins{"http://localhost:*"}, "http://localhost", true},
		{Origins{"http://localhost:*"}, "https://localhost:3000", false},
		{Origins{"http://localhost:*"}, "http://localhost.evil.com:3000", false},
		{Origins{"http://localhost:*"}, "http://localhost@evil.com", false},
		{Origins{"http://localhost:*"}, "http://localhost:3000@evil.com", false},
		{Origins{"http://localhost:*"}, "http://evil.com/?http://localhost:3000", false},
		{Origins{"http://[::1]:*"}, "http://[::1]:3000", true},
		{Origins{"http://[::1]:*"}, "http://[::1]", true},
		{Origins{"http://localhost:*"}, "null", false},
		{Origins{"http://localhost:*"}, "://", false},
		{(&Config{}).AllowedOrigins(true), "http://localhost:5173", true},
		{(&Config{}).AllowedOrigins(true), "http://127.0.0.1:5173", true},
		{(&Config{}).AllowedOrigins(true), "https://evil.example.com", false},
		{(&Config{}).AllowedOrigins(false), "http://localhost:5173", false},
		{(&Config{Origins: Origins{"https://a.example.com"}}).AllowedOrigins(true), "http://localhost:5173", false},
	} {
		r := httptest.NewRequest(http.MethodPost, "http://parley.example.com/graphql", nil)
		if test.origin != "" {
			r.Header.Set("Origin", test.origin)
		}
		assert.Equal(t, test.want, test.origins.Allows(r), "%v with the origin %q", test.origins, test.origin)
	}
	for _, local := range (&Config{}).AllowedOrigins(true) {
		err := checkOrigin(local)
		assert.NoError(t, err, "%s %v", local, err)
	}
}
