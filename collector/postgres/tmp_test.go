package postgres

import ("testing";"os";"fmt";"github.com/chronoops/chronoops/collector/collectortest")
func TestTmp(t *testing.T){
 cfg:=DefaultConfig; cfg.Name="main"; cfg.DSN="postgres://postgres@127.0.0.1:54615/postgres"
 c,err:=New(Options{Config:cfg}); if err!=nil{t.Fatal(err)}
 defer c.Close()
 text,ok:=collectortest.Scrape(t,c)
 os.WriteFile("/tmp/pg.txt",[]byte(text),0o644)
 fmt.Println(ok)
 text,ok=collectortest.Scrape(t,c)
 os.WriteFile("/tmp/pg2.txt",[]byte(text),0o644)
 fmt.Println(ok)
}
