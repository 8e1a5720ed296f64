package redis_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/common/config"

	"github.com/chronoops/chronoops/collector/collectortest"
)

// certificate makes a certificate for cache.example and returns the file that holds it, for those who trust it.
func certificate(t *testing.T) (cert tls.Certificate, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"cache.example"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func TestTLS(t *testing.T) {
	r := server(t)
	cert, ca := certificate(t)
	addr := collectortest.Listen(t, func(c net.Conn) {
		front := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
		back, err := net.Dial("tcp", r.Addr)
		if err != nil {
			return
		}
		defer back.Close()
		go func() {
			_, _ = io.Copy(front, back)
			c.Close()
		}()
		_, _ = io.Copy(back, front)
	})
	trusting := target("redis://" + addr)
	trusting.TLS = &config.TLSConfig{CAFile: ca, ServerName: "cache.example"}
	wantUp(t, scraper(t, trusting).Scrape(enough))

	wantDown(t, scraper(t, target("rediss://"+addr)).Scrape(enough), "tls") // Who signed that?
	elsewhere := target("rediss://" + addr)
	elsewhere.TLS = &config.TLSConfig{CAFile: ca, ServerName: "other.example"}
	wantDown(t, scraper(t, elsewhere).Scrape(enough), "tls")
}
