//go:build tools

// Package interop names what `build` builds, so that go.mod and go.sum pin it.
package interop

import _ "github.com/edgelesssys/marblerun/cmd/coordinator"
